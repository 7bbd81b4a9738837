-- The certificate of before was changed while an attempt ran, and asked for at a button.

update acme_orders set wish = 1, asked = 2;
