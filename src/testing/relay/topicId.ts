import { createHash } from "node:crypto";

/** The id of a subscription: clients compute the same one, and take a message that comes before the answer to their call. */
export const topicId = (topic: string, client: string): string =>
  createHash("sha256").update(topic).update(client).digest("hex");
