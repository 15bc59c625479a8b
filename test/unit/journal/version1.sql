-- A journal as the first schema's program wrote it (statements of sqlite_schema, then its rows).

CREATE TABLE meta (key text primary key, value text not null) strict;

CREATE TABLE entry (
  sequence integer primary key,
  agent text not null,
  kind text not null,
  body text not null,
  previous_hash text not null,
  hash text not null
) strict;

CREATE TABLE trigger_ (
  dedupe_id text primary key,
  position integer not null unique,
  agent text not null,
  kind text not null,
  label text not null,
  payload text not null,
  decision text
) strict;

CREATE INDEX trigger_waiting on trigger_ (agent, position) where decision is null;

CREATE TABLE cursor_ (
  agent text not null,
  source text not null,
  position integer not null,
  primary key (agent, source)
) strict, without rowid;

CREATE TABLE memory (
  agent text not null,
  name text not null,
  position integer not null,
  value text not null,
  provenance text not null check (provenance in ('untrusted', 'history')),
  digest text not null,
  primary key (agent, name)
) strict, without rowid;

CREATE TABLE decision (
  id text primary key,
  agent text not null,
  trigger_id text not null unique,
  position integer not null unique,
  machine text not null,
  snapshot text not null,
  done integer not null
) strict;

CREATE INDEX decision_open on decision (agent) where done = 0;

CREATE TABLE output (
  decision text not null,
  step text not null,
  value text not null,
  primary key (decision, step)
) strict, without rowid;

CREATE TABLE effect (
  decision text not null,
  id text not null,
  source text not null,
  primary key (decision, id)
) strict, without rowid;

CREATE TABLE leaf (
  agent text not null,
  position integer not null,
  decision text not null unique,
  leaf text not null,
  primary key (agent, position)
) strict, without rowid;

CREATE TABLE operation (
  user_op_hash text primary key,
  decision text not null unique,
  lane text not null,
  nonce text not null,
  body text not null,
  state text not null check (state in ('signed', 'sent', 'settled', 'expired'))
) strict;

CREATE UNIQUE INDEX one_live_operation on operation (lane) where state in ('signed', 'sent');

CREATE UNIQUE INDEX operation_place on operation (decision, lane, nonce);

CREATE TABLE sibling (
  user_op_hash text primary key,
  decision text not null,
  position integer not null,
  lane text not null,
  nonce text not null,
  body text not null,
  unique (decision, position),
  foreign key (decision, lane, nonce) references operation (decision, lane, nonce)
) strict;

CREATE TABLE payment (
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

CREATE INDEX payment_payee on payment (agent, payee);

insert into meta values ('schema', '1');
insert into meta values ('paused:clerk', '');
insert into entry values (1, 'clerk', 'trigger', '{"dedupeId":"mail:a","kind":"mail","label":"a.eml"}', '0x0000000000000000000000000000000000000000000000000000000000000000', '0x9afbfefa42beaf2d9d7d8f4aa618fc855c1177d2ee98bc21baa1fe2748b0b34d');
insert into entry values (2, 'clerk', 'trigger', '{"dedupeId":"mail:b","kind":"mail","label":"b.eml"}', '0x9afbfefa42beaf2d9d7d8f4aa618fc855c1177d2ee98bc21baa1fe2748b0b34d', '0x5d0d62c8f9b9ce9136a79e7ac2a8b697b9905634c456367133e8ef825081c562');
insert into entry values (3, 'clerk', 'sealed', '{"decision":"one"}', '0x5d0d62c8f9b9ce9136a79e7ac2a8b697b9905634c456367133e8ef825081c562', '0x76f5affdb5c552553af3b79452f7156388bb689b976f15d88b79d87a783b34c5');
insert into entry values (4, 'clerk', 'paused', '{}', '0x76f5affdb5c552553af3b79452f7156388bb689b976f15d88b79d87a783b34c5', '0x064e18ae78b360fa0c0bfe8490c0108beecdb992b954cd03e6a3874302d6aff6');
insert into trigger_ values ('mail:a', 1, 'clerk', 'mail', 'a.eml', '{"subject":"It''s a"}', 'one');
insert into trigger_ values ('mail:b', 2, 'clerk', 'mail', 'b.eml', '{"subject":"It''s b"}', null);
insert into cursor_ values ('clerk', 'clock:daily', 1700000000);
insert into memory values ('clerk', 'lucky', 0, '7', 'history', '0x7902699be42c8a8e46fbbb4501726517e86b22c56a189f7625a6da49081b2451');
insert into decision values ('one', 'clerk', 'mail:a', 1, 'decision@1', '{"value":"settling"}', 0);
insert into output values ('one', 'parse', '{"action":"hold"}');
insert into effect values ('one', 'settle', 'settle');
insert into leaf values ('clerk', 0, 'one', '0x7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed');
insert into operation values ('0x037aeaeaf4bbf26ddabe7256a8294dc52da48d575a1247b5c2598c47de7aebab', 'one', 'lane', '0x10', '{"userOp":{"nonce":"0x10"},"userOpHash":"0x037aeaeaf4bbf26ddabe7256a8294dc52da48d575a1247b5c2598c47de7aebab"}', 'signed');
insert into payment values ('one', 'clerk', 'acme', 'INV-1', '["INV-1"]', 1, 'USDC', '42500000', '42.50 USDC', 'pending');
