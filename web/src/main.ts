document.title = "kedge";
