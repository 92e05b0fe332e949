/** SHA-256 without `crypto.subtle`, which plain-http origins other than localhost do not have. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';

const encoder = new TextEncoder();

export function sha256Hex(bytes: Uint8Array): string {
  return bytesToHex(sha256(bytes));
}

/** Of a text's UTF-8. The text must be well-formed. */
export function textDigest(text: string): string {
  return sha256Hex(encoder.encode(text));
}

/** 32 hex digits that nobody else has. */
export function newId(): string {
  // getRandomValues, unlike randomUUID, exists on plain-http origins too.
  return bytesToHex(crypto.getRandomValues(new Uint8Array(16)));
}
