-- A film rental shop: enums, a domain, a partitioned table, views, a materialized view.
CREATE SCHEMA rental;
SET search_path = rental;

CREATE TYPE film_rating AS ENUM ('G', 'PG', 'PG-13', 'R', 'NC-17');
CREATE TYPE copy_condition AS ENUM ('new', 'good', 'worn', 'lost');
CREATE DOMAIN release_year AS integer CHECK (VALUE BETWEEN 1888 AND 2155);
CREATE DOMAIN country_code AS char(2) NOT NULL CHECK (VALUE IN ('DE', 'FR', 'NL', 'US'));

CREATE TABLE language (
    language_id smallserial PRIMARY KEY,
    name varchar(20) NOT NULL UNIQUE
);

CREATE TABLE category (
    category_id smallserial PRIMARY KEY,
    name varchar(25) NOT NULL UNIQUE,
    last_update timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE film (
    film_id serial PRIMARY KEY,
    title varchar(255) NOT NULL,
    description text,
    release_year release_year,
    language_id smallint NOT NULL REFERENCES language,
    original_language_id smallint REFERENCES language,
    rental_days smallint NOT NULL DEFAULT 3,
    rental_rate numeric(4, 2) NOT NULL DEFAULT 4.99 CHECK (rental_rate > 0),
    length_min smallint,
    replacement_cost numeric(5, 2) NOT NULL,
    rating film_rating DEFAULT 'G',
    special_features text[],
    fulltext tsvector,
    last_update timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE actor (
    actor_id serial PRIMARY KEY,
    first_name varchar(45) NOT NULL,
    last_name varchar(45) NOT NULL,
    last_update timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE film_actor (
    actor_id integer NOT NULL REFERENCES actor,
    film_id integer NOT NULL REFERENCES film,
    billing_position smallint,
    PRIMARY KEY (actor_id, film_id)
);

CREATE TABLE film_category (
    film_id integer NOT NULL REFERENCES film,
    category_id smallint NOT NULL REFERENCES category,
    PRIMARY KEY (film_id, category_id)
);

CREATE TABLE city (
    city_id serial PRIMARY KEY,
    city varchar(50) NOT NULL,
    country country_code
);

CREATE TABLE address (
    address_id serial PRIMARY KEY,
    address varchar(80) NOT NULL,
    district varchar(40),
    city_id integer NOT NULL REFERENCES city,
    postal_code varchar(10),
    phone varchar(20)
);

CREATE TABLE store (
    store_id serial PRIMARY KEY,
    manager_staff_id integer NOT NULL,
    address_id integer NOT NULL REFERENCES address
);

CREATE TABLE staff (
    staff_id serial PRIMARY KEY,
    first_name varchar(45) NOT NULL,
    last_name varchar(45) NOT NULL,
    store_id integer NOT NULL REFERENCES store,
    email varchar(80) UNIQUE,
    active boolean NOT NULL DEFAULT true,
    username varchar(16) NOT NULL,
    pw_hash varchar(100)
);
CREATE UNIQUE INDEX staff_username ON staff (username);
ALTER TABLE store ADD FOREIGN KEY (manager_staff_id) REFERENCES staff;

CREATE TABLE customer (
    customer_id serial PRIMARY KEY,
    store_id integer NOT NULL REFERENCES store,
    first_name varchar(45) NOT NULL,
    last_name varchar(45) NOT NULL,
    email varchar(80),
    address_id integer NOT NULL REFERENCES address,
    tier varchar(10) NOT NULL DEFAULT 'basic' CHECK (tier IN ('basic', 'silver', 'gold')),
    active boolean NOT NULL DEFAULT true,
    created_on date NOT NULL DEFAULT current_date
);

CREATE TABLE inventory (
    inventory_id serial PRIMARY KEY,
    film_id integer NOT NULL REFERENCES film,
    store_id integer NOT NULL REFERENCES store,
    condition copy_condition NOT NULL DEFAULT 'new',
    acquired_on date
);

CREATE TABLE rental (
    rental_id bigserial PRIMARY KEY,
    rented_at timestamptz NOT NULL,
    inventory_id integer NOT NULL REFERENCES inventory,
    customer_id integer NOT NULL REFERENCES customer,
    due_at timestamptz NOT NULL,
    returned_at timestamptz,
    staff_id integer NOT NULL REFERENCES staff,
    CHECK (returned_at >= rented_at)
);

CREATE TABLE payment (
    payment_id bigserial,
    customer_id integer NOT NULL REFERENCES customer,
    staff_id integer NOT NULL REFERENCES staff,
    rental_id bigint REFERENCES rental,
    amount numeric(7, 2) NOT NULL,
    method text NOT NULL CHECK (method = 'cash' OR method = 'card' OR method = 'voucher'),
    paid_at timestamptz NOT NULL,
    PRIMARY KEY (payment_id, paid_at)
) PARTITION BY RANGE (paid_at);
CREATE TABLE payment_2025 PARTITION OF payment FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE payment_2026 PARTITION OF payment FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');

CREATE VIEW customer_list AS
SELECT c.customer_id AS id, c.first_name || ' ' || c.last_name AS name, a.address, ci.city, ci.country, c.store_id AS sid
FROM customer c JOIN address a USING (address_id) JOIN city ci USING (city_id);

CREATE VIEW overdue AS
SELECT r.rental_id, r.customer_id, f.title, r.due_at, now() - r.due_at AS overdue_by
FROM rental r JOIN inventory i USING (inventory_id) JOIN film f USING (film_id)
WHERE r.returned_at IS NULL AND r.due_at < now();

CREATE MATERIALIZED VIEW sales_by_store AS
SELECT s.store_id, date_trunc('month', p.paid_at) AS month, sum(p.amount) AS total_sales, count(*) AS payments
FROM payment p JOIN staff s USING (staff_id) GROUP BY 1, 2;
