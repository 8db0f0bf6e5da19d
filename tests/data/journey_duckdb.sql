CREATE SCHEMA fleet;
CREATE TABLE fleet.vehicle (
    vin varchar PRIMARY KEY,
    plate_nbr varchar UNIQUE,
    fuel_cd varchar CHECK (fuel_cd IN ('diesel', 'petrol', 'electric')),
    odometer_km integer,
    acquired_dt date,
    q9 varchar
);
CREATE TABLE fleet.trip (
    trip_id bigint PRIMARY KEY,
    vin varchar REFERENCES fleet.vehicle (vin),
    driver_id integer NOT NULL,
    start_ts timestamptz,
    end_ts timestamptz,
    dist_km double,
    "Remarks, if any" varchar
);
CREATE TABLE fuel_purchase (
    purchase_id integer PRIMARY KEY,
    vin varchar,
    litres decimal(8, 2),
    price_amt decimal(8, 2),
    bought_at timestamp
);
CREATE VIEW fleet.busy_vehicle AS SELECT vin, count(*) AS trip_cnt, sum(dist_km) AS total_km FROM fleet.trip GROUP BY vin;
COMMENT ON TABLE fleet.trip IS 'From the key in to the key out';
COMMENT ON COLUMN fleet.vehicle.odometer_km IS 'As read at the last service; it''s never reset';
