// All of this is comfort: every page works without it.

// A form that is on its way is not sent a second time. The page may come back from the browser's cache: then it may be.
let sent = new WeakSet();
document.addEventListener("submit", event => {
  if (sent.has(event.target)) return event.preventDefault();
  sent.add(event.target);
  event.target.setAttribute("aria-busy", "true");
});
window.addEventListener("pageshow", () => {
  sent = new WeakSet();
  for (const form of document.forms) form.removeAttribute("aria-busy");
});

// A picture is shown, and one that is too large is refused, before it is sent.
const input = document.querySelector("input[type=file]");
input?.addEventListener("change", () => {
  const preview = document.getElementById("preview"), [file] = input.files;
  URL.revokeObjectURL(preview.src);
  preview.hidden = !file;
  if (file) preview.src = URL.createObjectURL(file);
  input.closest(".field").classList.remove("wrong");  // that was another file
  document.getElementById("image-error")?.remove();
  const isTooLarge = file && file.size > Number(input.dataset.maxBytes);
  input.setCustomValidity(isTooLarge ? input.dataset.tooLarge : "");
  input.reportValidity();
});
