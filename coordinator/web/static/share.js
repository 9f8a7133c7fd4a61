// The secret of a link is behind the # of its address, which browsers never send. Send it as a form, and remove it from
// the address, so that neither the history nor a copied address has it.
"use strict";

const secret = window.location.hash.slice(1);
if (secret) {
  window.history.replaceState(null, "", window.location.pathname);
  const form = document.querySelector("form[data-open-link]");
  form.elements.secret.value = secret;
  form.submit();
}
