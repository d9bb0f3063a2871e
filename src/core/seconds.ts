/** Times as the API tells them: whole seconds since 1970. Ours are milliseconds. */
export function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}
