-- Something to sell from the first start on. Runs once a database; a product that is there already is left as it is.
INSERT INTO "Product" ("slug", "name", "description", "priceCents", "position") VALUES
    ('day-ticket', 'Day ticket', 'One entry on the day of your choice.', 1200, 1),
    ('season-pass', 'Season pass', 'As often as you like until the end of October.', 8900, 2),
    ('workshop', 'Workshop place', 'An afternoon with good tools and somebody who knows them.', 3450, 3),
    ('programme', 'Printed programme', '64 pages, sent by post.', 650, 4)
ON CONFLICT ("slug") DO NOTHING;
