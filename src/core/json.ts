/** JSON as Bursar hashes it: integers and strings only, no floats (RFC 8785 leaves nothing to interpret then). */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export type JsonObject = { readonly [key: string]: Json };
