CREATE TABLE till (till_no integer PRIMARY KEY, store_cd text NOT NULL, opened_at text, float_amt numeric);
CREATE TABLE receipt (
    receipt_id integer PRIMARY KEY,
    till_no integer NOT NULL REFERENCES till (till_no),
    total_amt numeric,
    pay_typ text CHECK (pay_typ IN ('cash', 'card')),
    "yes" text,
    "a: b # c" text,
    col_17 text
);
CREATE VIEW daily_total AS SELECT till_no, date(opened_at) AS day, sum(total_amt) AS total_amt
FROM receipt JOIN till USING (till_no) GROUP BY 1, 2;
