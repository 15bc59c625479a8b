/**
 * File systems over a network, by Linux's magic numbers (statfs(2), linux/magic.h): their locks and their fsync are promises of
 * another machine, so two runtimes could hold one journal, and what was acknowledged could be gone.
 */
const networked: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xfe534d42, "SMB"],
  [0xff534d42, "CIFS"],
  [0x01021997, "9P"],
  [0x5346414f, "AFS"],
  [0x00c36400, "Ceph"],
  [0x0bd00bd0, "Lustre"],
  [0x47504653, "GPFS"],
]);

/** Name of the network file system of this type, or undefined for a local one, and where the system tells no types. */
export const networkFileSystem = (type: number): string | undefined => networked.get(type >>> 0);
