// Before anything is drawn, so that no page flashes in the wrong colours.
const chosenTheme = localStorage.getItem("g6-theme");
if (chosenTheme) document.documentElement.dataset.theme = chosenTheme;
