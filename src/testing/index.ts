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
export { PortInUseError, serveChain, type ServedChain } from "./serveChain.ts";
