// How the search orders pages: Sphinx's own scores, and pages for users before pages for maintainers.
var Scorer = {
  score: ([page, _title, _anchor, _description, score]) => {
    const folders = {
      "docs/tutorial/": 20,
      "docs/how-to/": 20,
      "docs/reference/": 15,
      "docs/explanation/": 15,
      "mock/": 10,
    };
    const found = Object.keys(folders).find((folder) => page.startsWith(folder));
    return score + (found ? folders[found] : 0);
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
