CREATE TABLE bank_account (
    iban varchar(34) NOT NULL PRIMARY KEY,
    holder_nm varchar(80) NOT NULL,
    acct_typ enum('current', 'savings', 'loan') NOT NULL DEFAULT 'current',
    bal_amt decimal(14, 2) NOT NULL DEFAULT 0,
    ccy_cd char(3) NOT NULL DEFAULT 'EUR' CHECK (ccy_cd IN ('EUR', 'USD', 'GBP')),
    opened_on date,
    closed_on date COMMENT 'The last day on which it could be used; 100% sure, it''s "final"',
    x1 varchar(10)
) COMMENT 'Accounts that people hold with us';
CREATE TABLE transfer (
    id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    from_iban varchar(34) NOT NULL,
    to_iban varchar(34) NOT NULL,
    amount decimal(14, 2) NOT NULL CHECK (amount > 0),
    booked_at timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
    reference varchar(140) CHARACTER SET latin1 DEFAULT 'it''s; 5% \\ "x"',
    `odd ``name``` int INVISIBLE,
    fee decimal(8, 2) GENERATED ALWAYS AS (amount * 0.001) VIRTUAL,
    CONSTRAINT transfer_from FOREIGN KEY (from_iban) REFERENCES bank_account (iban)
);
CREATE TABLE standing_order (
    order_no int UNSIGNED NOT NULL,
    iban varchar(34) NOT NULL,
    interval_days smallint NOT NULL DEFAULT 30,
    next_run_on date,
    is_active tinyint(1) NOT NULL DEFAULT 1,
    PRIMARY KEY (order_no, iban),
    FOREIGN KEY (iban) REFERENCES bank_account (iban)
);
INSERT INTO bank_account (iban, holder_nm, bal_amt) VALUES ('DE1', 'Ann', 10), ('DE2', 'Bob', 20.5);
INSERT INTO transfer (from_iban, to_iban, amount, booked_at) VALUES ('DE1', 'DE2', 5, '2026-01-02 03:04:05');
