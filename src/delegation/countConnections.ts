/** Connections within so many milliseconds that are no coming back any more. */
const mostConnections = 20;
const withinMs = 10_000;

/** Counts connections. @returns a function that is told of each one, and says whether they have become a storm: the SDK does not end one by itself */
export function countConnections(): () => boolean {
  let connections: readonly number[] = [];
  return () => {
    const at = performance.now();
    connections = [...connections.filter((before) => at - before < withinMs), at];
    if (connections.length <= mostConnections) return false;
    connections = [];
    return true;
  };
}
