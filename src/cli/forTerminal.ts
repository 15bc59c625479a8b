/**
 * Text for a terminal: a stranger's words (a record, an error, an answer) may hold control characters, which terminals obey, and
 * marks that turn the direction of writing. Each run of them becomes a space; line breaks stay.
 */
export const forTerminal = (text: string): string => text.replaceAll(/(?:(?!\n)\p{C})+/gu, " ");
