export { LocalChainStartError, startChainProcess, type ChainProcess } from "./chainProcess.ts";
export {
  localChainId,
  localFaucet,
  LocalChainStateError,
  startLocalChain,
  type LocalChain,
  type LocalChainOptions,
} from "./localChain.ts";
export { servePaymaster, type PaymasterServer, type PaymasterServerOptions } from "./paymasterServer.ts";
export type { InjectedFault, RelayFault } from "./relay/relayFaults.ts";
export { RelayJournalError } from "./relay/mailboxes.ts";
export { startRelay, type LocalRelay, type RelayOptions, type SeenCall } from "./relay/startRelay.ts";
export { PortInUseError, serveChain, type ServedChain } from "./serveChain.ts";
