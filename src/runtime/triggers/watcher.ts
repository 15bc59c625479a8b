/** One source of triggers, watched. */
export type Watcher = {
  /** Takes in what is new, durably. Called about once a second, never twice at a time. */
  scan(): Promise<void>;
  close?(): Promise<void>;
};

/** Most triggers that may wait for one agent. Sources that can be told to come back later are told so above it. */
export const mostWaiting = 1000;
