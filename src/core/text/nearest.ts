/** The known name that was probably meant, for messages that refuse an unknown one. */

/** The known name with the smallest edit distance; ties go to the first. */
export function nearest(name: string, known: readonly string[]): string {
  const distances = known.map((candidate) =>
    // `seconds` may have been meant for `limits.seconds`; the full name goes first where both are as near.
    Math.min(editDistance(name, candidate), editDistance(name, candidate.slice(candidate.lastIndexOf('.') + 1)) + 1),
  );
  return known[distances.indexOf(Math.min(...distances))] ?? '';
}

/** How many letters are put in, left out or replaced between two words (Levenshtein). */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      next.push(
        Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)),
      );
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
