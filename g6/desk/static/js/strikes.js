// Which strikes are shown: some ranks each side of the money, or all that are listed.

/** The rows within `width` ranks of the money ("all": every row). */
export function around(rows, width) {
  if (width === "all" || !rows.length) return rows;
  const middle = nearestTheMoney(rows);
  return rows.slice(Math.max(0, middle - Number(width)), middle + Number(width) + 1);
}

// A rank is known where the last full chain or window had the strike; without a forward there is none at all.
function nearestTheMoney(rows) {
  const ranked = rows.map((row, place) => ({ place, rank: row.rank })).filter(({ rank }) => rank !== null);
  if (!ranked.length) return rows.length >> 1;
  return ranked.reduce((best, each) => (Math.abs(each.rank) < Math.abs(best.rank) ? each : best)).place;
}
