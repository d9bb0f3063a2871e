/** The known name that was probably meant. */

/** The known name with the fewest edits; ties go to the first. */
export function nearest(name: string, known: readonly string[]): string {
  const distances = known.map((candidate) =>
    Math.min(edits(name, candidate), edits(name, candidate.slice(candidate.lastIndexOf('.') + 1)) + 1),
  );
  return known[distances.indexOf(Math.min(...distances))] ?? '';
}

function edits(a: string, b: string): number {
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
