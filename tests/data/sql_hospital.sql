-- A hospital in the manner of an old system: short upper-case names, codes, hardly a constraint spelled out.
CREATE SCHEMA his;
SET search_path = his;

CREATE TABLE "WARD_MST" (
    "WARD_CD" char(4) PRIMARY KEY,
    "WARD_NM" varchar(60) NOT NULL,
    "BED_CNT" smallint NOT NULL DEFAULT 0,
    "ICU_FLG" char(1) NOT NULL DEFAULT 'N' CHECK ("ICU_FLG" IN ('Y', 'N'))
);
CREATE TABLE "PHYS_MST" (
    "PHYS_ID" integer PRIMARY KEY,
    "PHYS_LNM" varchar(40) NOT NULL,
    "PHYS_FNM" varchar(40) NOT NULL,
    "SPEC_CD" char(3),
    "LIC_NBR" varchar(20) UNIQUE,
    "HIRE_DT" date
);
CREATE TABLE "PAT_MST" (
    "PAT_ID" integer PRIMARY KEY,
    "MRN" varchar(12) NOT NULL UNIQUE,
    "PAT_LNM" varchar(40) NOT NULL,
    "PAT_FNM" varchar(40) NOT NULL,
    "PAT_DOB" date NOT NULL,
    "PAT_SEX" char(1) CHECK ("PAT_SEX" IN ('F', 'M', 'X', 'U')),
    "BLD_TYP" varchar(3),
    "PCP_ID" integer REFERENCES "PHYS_MST",
    "DECSD_DT" date,
    "ATTR_1" varchar(50),
    "ATTR_2" varchar(50)
);
CREATE TABLE "PAT_ADDR" (
    "PAT_ID" integer NOT NULL REFERENCES "PAT_MST",
    "ADDR_SEQ" smallint NOT NULL,
    "ADDR_TYP" char(1) NOT NULL,
    "STR" varchar(80),
    "ZIP" varchar(10),
    "EFF_DT" date NOT NULL,
    "EXP_DT" date,
    PRIMARY KEY ("PAT_ID", "ADDR_SEQ")
);
CREATE TABLE "INS_PLAN" (
    "PLAN_CD" varchar(8) PRIMARY KEY,
    "PLAN_NM" varchar(80) NOT NULL,
    "COPAY_AMT" numeric(8, 2)
);
CREATE TABLE "PAT_INS" (
    "PAT_ID" integer NOT NULL REFERENCES "PAT_MST",
    "PLAN_CD" varchar(8) NOT NULL REFERENCES "INS_PLAN",
    "MBR_NBR" varchar(20) NOT NULL,
    "PRIO" smallint NOT NULL CHECK ("PRIO" IN (1, 2, 3)),
    PRIMARY KEY ("PAT_ID", "PLAN_CD")
);
CREATE TABLE "ENCNTR" (
    "ENC_ID" bigint PRIMARY KEY,
    "PAT_ID" integer NOT NULL REFERENCES "PAT_MST",
    "ENC_CLS" varchar(3) NOT NULL CHECK ("ENC_CLS" IN ('AMB', 'EMR', 'IMP')),
    "ADM_DT" timestamp NOT NULL,
    "DSCHG_DT" timestamp,
    "WARD_CD" char(4) REFERENCES "WARD_MST",
    "ATT_PHYS_ID" integer REFERENCES "PHYS_MST",
    "DSCHG_DISP_CD" char(2),
    "LOS_DAYS" integer GENERATED ALWAYS AS (EXTRACT(day FROM "DSCHG_DT" - "ADM_DT")::integer) STORED
);
CREATE TABLE "ENC_DIAG" (
    "ENC_ID" bigint NOT NULL REFERENCES "ENCNTR",
    "DIAG_SEQ" smallint NOT NULL,
    "ICD10_CD" varchar(8) NOT NULL,
    "POA_IND" char(1),
    PRIMARY KEY ("ENC_ID", "DIAG_SEQ")
);
CREATE TABLE "ENC_PROC" (
    "ENC_ID" bigint NOT NULL,
    "PROC_SEQ" smallint NOT NULL,
    "CPT_CD" varchar(5) NOT NULL,
    "PROC_DT" timestamp,
    "SURG_ID" integer REFERENCES "PHYS_MST",
    PRIMARY KEY ("ENC_ID", "PROC_SEQ"),
    FOREIGN KEY ("ENC_ID") REFERENCES "ENCNTR"
);
CREATE TABLE "OBS" (
    "OBS_ID" bigserial PRIMARY KEY,
    "ENC_ID" bigint NOT NULL REFERENCES "ENCNTR",
    "LOINC_CD" varchar(10) NOT NULL,
    "OBS_VAL" numeric(12, 4),
    "OBS_TXT" text,
    "UOM" varchar(20),
    "ABN_FLG" varchar(2) CHECK ("ABN_FLG" IN ('L', 'H', 'LL', 'HH', 'N')),
    "OBS_TS" timestamptz NOT NULL
);
CREATE TABLE "MED_ORD" (
    "ORD_ID" bigint PRIMARY KEY,
    "ENC_ID" bigint NOT NULL REFERENCES "ENCNTR",
    "NDC" varchar(11) NOT NULL,
    "DOSE_QTY" numeric(10, 3),
    "DOSE_UOM" varchar(10),
    "RTE_CD" varchar(5),
    "FREQ_CD" varchar(8),
    "ORD_STAT" char(2) NOT NULL
);
CREATE TABLE "MED_ADM" (
    "ORD_ID" bigint NOT NULL REFERENCES "MED_ORD",
    "ADM_TS" timestamptz NOT NULL,
    "NURSE_ID" integer,
    "QTY_GIVEN" numeric(10, 3),
    PRIMARY KEY ("ORD_ID", "ADM_TS")
);
CREATE TABLE "BILL_LN" (
    "BILL_ID" bigint NOT NULL,
    "LN_NBR" smallint NOT NULL,
    "ENC_ID" bigint NOT NULL REFERENCES "ENCNTR",
    "CHG_CD" varchar(10) NOT NULL,
    "QTY" numeric(8, 2) NOT NULL,
    "CHG_AMT" numeric(12, 2) NOT NULL,
    "ADJ_AMT" numeric(12, 2),
    PRIMARY KEY ("BILL_ID", "LN_NBR")
);
CREATE VIEW "V_CENSUS" AS
SELECT e."WARD_CD", count(*) AS "OCC_CNT", w."BED_CNT" - count(*) AS "FREE_CNT"
FROM "ENCNTR" e JOIN "WARD_MST" w USING ("WARD_CD")
WHERE e."DSCHG_DT" IS NULL GROUP BY e."WARD_CD", w."BED_CNT";
