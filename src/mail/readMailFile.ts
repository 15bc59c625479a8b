import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { MailFileError, MailTooLargeError } from "./errors.ts";

/** The bytes of one mail file. Its size is checked on the open file, before and while reading: it may grow meanwhile. */
export async function readMailFile(
  path: string,
  settings: { readonly maxBytes: number },
): Promise<Uint8Array> {
  try {
    // O_NOFOLLOW: between listing and opening, the file may have been swapped for a link. O_NONBLOCK: or for a pipe.
    await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const found = await file.stat();
    if (!found.isFile())
      throw new MailFileError("it is no regular file", {
        path,
        remedy: "Put the mail itself into the folder.",
      });
    if (found.size > settings.maxBytes)
      throw new MailTooLargeError({ sizeBytes: found.size, maxBytes: settings.maxBytes, path });
    const buffer = new Uint8Array(settings.maxBytes + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length);
      length += bytesRead;
      if (length > settings.maxBytes)
        throw new MailTooLargeError({ sizeBytes: length, maxBytes: settings.maxBytes, path });
      if (bytesRead === 0) return buffer.slice(0, length);
    }
  } catch (cause) {
    if (cause instanceof MailFileError || cause instanceof MailTooLargeError) throw cause;
    const remedy = "Give the agent's user permission to read it, or move it out of the folder.";
    throw new MailFileError("it can't be opened", { path, remedy, cause });
  }
}
