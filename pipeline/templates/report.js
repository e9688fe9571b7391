// Sorts a table by the clicked column; without scripts the tables stay as they are.
for (const table of document.querySelectorAll("table.sortable")) {
  const value = (row, i) => row.cells[i].dataset.sort ?? row.cells[i].textContent.trim();
  const number = text => text === "–" ? -Infinity : Number(text.replaceAll(",", "").replace("−", "-"));
  table.tHead.querySelectorAll("th").forEach((head, i) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const was = head.getAttribute("aria-sort");
      const falls = was ? was === "ascending" : head.classList.contains("num");
      const order = (a, b) => head.classList.contains("num")
        ? number(value(a, i)) - number(value(b, i)) : value(a, i).localeCompare(value(b, i));
      const rows = [...table.tBodies[0].rows].sort((a, b) => (falls ? -1 : 1) * order(a, b));
      table.tBodies[0].append(...rows);
      table.tHead.querySelectorAll("th").forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", falls ? "descending" : "ascending");
    });
  });
}
