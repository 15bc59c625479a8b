import type { LinkRequest, LinkRequests, LinkStore } from "../../src/core/linkStore.ts";

/** What the link keeps, in memory: it outlives the link and its process, and not the test. */
export type MemoryLinkStore = { readonly store: LinkStore; readonly requests: LinkRequests };

export function memoryLinkStore(): MemoryLinkStore {
  const values = new Map<string, string>();
  const rows = new Map<string, LinkRequest>();
  const change = (id: string, more: Partial<LinkRequest>): void => {
    const row = rows.get(id);
    if (row !== undefined) rows.set(id, { ...row, ...more });
  };
  return {
    store: {
      get: (key) => Promise.resolve(values.get(key)),
      set: (key, value) => Promise.resolve(void values.set(key, value)),
      delete: (key) => Promise.resolve(void values.delete(key)),
      keys: () => Promise.resolve([...values.keys()]),
      entries: () => Promise.resolve([...values]),
    },
    requests: {
      begin(request) {
        if (rows.has(request.id)) return Promise.resolve(false);
        rows.set(request.id, request);
        return Promise.resolve(true);
      },
      published: (id) => Promise.resolve(change(id, { published: true })),
      settle(id, outcome) {
        if (rows.get(id)?.outcome !== null) return Promise.resolve(false);
        change(id, { outcome });
        return Promise.resolve(true);
      },
      all: () => Promise.resolve([...rows.values()]),
      forget: (id) => Promise.resolve(void rows.delete(id)),
    },
  };
}
