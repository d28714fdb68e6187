// The medians of `start` as an SVG: one bar for each way to start a program.

const width = 760;
const barHeight = 22;
const left = 300;
/** A bar is cut that is so many times the middle one. */
const most = 6;
const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

export function picture(rows, mode) {
  const shown = rows.filter((row) => row.mode === mode);
  const medians = shown.map(({ median }) => median).toSorted((a, b) => a - b);
  const longest = Math.min(medians.at(-1), medians[medians.length >> 1] * most);
  const scale = (width - left - 90) / longest;
  const bars = shown.map(({ name, median }, i) => {
    const y = 40 + i * (barHeight + 8);
    const fill = name.startsWith("podium") ? "#2b6cb0" : name.startsWith("zygote") ? "#63b3ed" : "#a0aec0";
    const length = Math.max(1, Math.round(Math.min(median, longest) * scale));
    const cut = median > longest ? "… " : "";
    return (
      `<text x="${left - 8}" y="${y + 16}" text-anchor="end">${escaped(name)}</text>` +
      `<rect x="${left}" y="${y}" width="${length}" height="${barHeight}" fill="${fill}"/>` +
      `<text x="${left + length + 6}" y="${y + 16}">${cut}${median} ms</text>`
    );
  });
  const height = 56 + shown.length * (barHeight + 8);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="13">
<rect width="${width}" height="${height}" fill="white"/>
<text x="12" y="24" font-size="15">Start to end of /usr/bin/true, median, ${escaped(mode)}</text>
${bars.join("\n")}
</svg>
`;
}
