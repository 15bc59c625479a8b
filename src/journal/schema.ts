/** Version of the tables below, kept in `meta`. A journal of another version is refused, never guessed at. */
export const schemaVersion = "1";

/**
 * Portable types only (TEXT, INTEGER below 2^53): the same tables run on another SQL store. JSON is TEXT, times are
 * integer milliseconds, amounts are decimal TEXT.
 */
export const schema = `
create table if not exists meta (key text primary key, value text not null) strict;

-- The audit log: hash-chained, append-only.
create table if not exists entry (
  sequence integer primary key,
  agent text not null,
  kind text not null,
  body text not null,
  previous_hash text not null,
  hash text not null
) strict;

-- The inbox: each happening once, whatever restarts in between.
create table if not exists trigger_ (
  dedupe_id text primary key,
  position integer not null unique,
  agent text not null,
  kind text not null,
  label text not null,
  payload text not null,
  decision text
) strict;
create index if not exists trigger_waiting on trigger_ (agent, position) where decision is null;

-- How far each source of triggers has been read: unix seconds, or a block.
create table if not exists cursor_ (
  agent text not null,
  source text not null,
  position integer not null,
  primary key (agent, source)
) strict, without rowid;

-- What each agent remembers, as the last decision left it.
create table if not exists memory (
  agent text not null,
  name text not null,
  position integer not null,
  value text not null,
  provenance text not null check (provenance in ('untrusted', 'history')),
  digest text not null,
  primary key (agent, name)
) strict, without rowid;

-- The life of one decision: a machine's snapshot and nothing else.
create table if not exists decision (
  id text primary key,
  agent text not null,
  trigger_id text not null unique,
  position integer not null unique,
  machine text not null,
  snapshot text not null,
  done integer not null
) strict;
create index if not exists decision_open on decision (agent) where done = 0;

-- What each step handed on.
create table if not exists output (
  decision text not null,
  step text not null,
  value text not null,
  primary key (decision, step)
) strict, without rowid;

-- Effects that have begun and have no recorded result: run again after a crash, so each is safe to repeat.
create table if not exists effect (
  decision text not null,
  id text not null,
  source text not null,
  primary key (decision, id)
) strict, without rowid;

-- The decision tree of each agent key, in order.
create table if not exists leaf (
  agent text not null,
  position integer not null,
  decision text not null unique,
  leaf text not null,
  primary key (agent, position)
) strict, without rowid;

-- Signed operations, kept before they are sent. One live operation per nonce lane: the index is the guard.
create table if not exists operation (
  user_op_hash text primary key,
  decision text not null unique,
  lane text not null,
  nonce text not null,
  body text not null,
  state text not null check (state in ('signed', 'sent', 'settled', 'expired'))
) strict;
create unique index if not exists one_live_operation on operation (lane) where state in ('signed', 'sent');
create unique index if not exists operation_place on operation (decision, lane, nonce);

-- The same operation again for more gas, kept before it is sent. Only ever of one decision, in its lane, at its nonce.
create table if not exists sibling (
  user_op_hash text primary key,
  decision text not null,
  position integer not null,
  lane text not null,
  nonce text not null,
  body text not null,
  unique (decision, position),
  foreign key (decision, lane, nonce) references operation (decision, lane, nonce)
) strict;

-- Bills that were paid or are being paid: one bill is never paid twice.
create table if not exists payment (
  decision text primary key,
  agent text not null,
  payee text not null,
  reference text not null,
  references_ text not null,
  at integer not null,
  asset text not null,
  amount_units text not null,
  words text not null,
  state text not null check (state in ('pending', 'paid', 'void'))
) strict;
create index if not exists payment_payee on payment (agent, payee);
`;
