// The little of Node's test runner that the tests use; Debian's TypeScript comes without Node's types.
declare module 'node:test' {
  export function test(name: string, body: () => void | Promise<void>): void;
}
declare module 'node:assert/strict' {
  export function equal(actual: unknown, expected: unknown, message?: string): void;
  export function deepEqual(actual: unknown, expected: unknown, message?: string): void;
  export function ok(value: unknown, message?: string): asserts value;
  export function throws(body: () => unknown, expected: RegExp | object): void;
}
declare module 'node:crypto' {
  export const webcrypto: Crypto;
}
