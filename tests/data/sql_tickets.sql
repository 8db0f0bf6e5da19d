-- A helpdesk: camelCase names in quotes, several schemas, checks, some comments that people wrote.
CREATE SCHEMA core;
CREATE SCHEMA desk;
CREATE SCHEMA audit;

CREATE TABLE core."organization" (
    "id" uuid PRIMARY KEY,
    "displayName" text NOT NULL,
    "planTier" text NOT NULL CHECK ("planTier" = ANY (ARRAY['free', 'team', 'enterprise'])),
    "createdAt" timestamptz NOT NULL DEFAULT now(),
    "deletedAt" timestamptz
);
CREATE TABLE core."user" (
    "id" uuid PRIMARY KEY,
    "organizationId" uuid NOT NULL REFERENCES core."organization",
    "email" text NOT NULL,
    "fullName" text,
    "locale" text,
    "isAgent" boolean NOT NULL DEFAULT false,
    "lastSeenAt" timestamptz,
    CONSTRAINT "user_email_key" UNIQUE ("email")
);
CREATE TABLE core."team" (
    "id" serial PRIMARY KEY,
    "organizationId" uuid NOT NULL REFERENCES core."organization",
    "name" text NOT NULL,
    UNIQUE ("organizationId", "name")
);
CREATE TABLE core."teamMember" (
    "teamId" integer NOT NULL REFERENCES core."team",
    "userId" uuid NOT NULL REFERENCES core."user",
    "role" text NOT NULL CHECK ("role" IN ('lead', 'member')),
    PRIMARY KEY ("teamId", "userId")
);
CREATE TYPE desk."ticketStatus" AS ENUM ('new', 'open', 'pending', 'on hold', 'solved', 'closed');
CREATE TABLE desk."ticket" (
    "id" bigserial PRIMARY KEY,
    "requesterId" uuid NOT NULL REFERENCES core."user",
    "assigneeId" uuid REFERENCES core."user",
    "teamId" integer REFERENCES core."team",
    "subject" text NOT NULL,
    "status" desk."ticketStatus" NOT NULL DEFAULT 'new',
    "priority" smallint NOT NULL DEFAULT 3 CHECK ("priority" IN (1, 2, 3, 4)),
    "channel" text CHECK ("channel" IN ('email', 'web', 'phone', 'it''s "other"') OR "channel" IS NULL),
    "dueAt" timestamptz,
    "firstReplyAt" timestamptz,
    "solvedAt" timestamptz,
    "parentTicketId" bigint REFERENCES desk."ticket",
    "customFields" jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE desk."comment" (
    "id" bigserial PRIMARY KEY,
    "ticketId" bigint NOT NULL REFERENCES desk."ticket",
    "authorId" uuid NOT NULL REFERENCES core."user",
    "bodyHtml" text NOT NULL,
    "isPublic" boolean NOT NULL DEFAULT true,
    "createdAt" timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE desk."attachment" (
    "id" uuid PRIMARY KEY,
    "commentId" bigint NOT NULL REFERENCES desk."comment",
    "fileName" text NOT NULL,
    "sizeBytes" bigint NOT NULL CHECK ("sizeBytes" >= 0),
    "sha256" bytea
);
CREATE TABLE desk."tag" ("id" serial PRIMARY KEY, "label" text NOT NULL UNIQUE, "hexColor" char(6));
CREATE TABLE desk."ticketTag" (
    "ticketId" bigint NOT NULL REFERENCES desk."ticket",
    "tagId" integer NOT NULL REFERENCES desk."tag",
    PRIMARY KEY ("ticketId", "tagId")
);
CREATE TABLE desk."slaPolicy" (
    "id" serial PRIMARY KEY,
    "name" text NOT NULL,
    "firstReplyMinutes" integer NOT NULL,
    "resolutionMinutes" integer NOT NULL,
    "businessHoursOnly" boolean NOT NULL
);
CREATE TABLE desk."satisfactionRating" (
    "ticketId" bigint PRIMARY KEY REFERENCES desk."ticket",
    "score" smallint CHECK ("score" BETWEEN 1 AND 5),
    "reason" text,
    "ratedAt" timestamptz
);
CREATE TABLE audit."event" (
    "id" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "actorId" uuid REFERENCES core."user",
    "entity" text NOT NULL,
    "entityId" text NOT NULL,
    "action" text NOT NULL CHECK ("action" IN ('create', 'update', 'delete')),
    "before" jsonb,
    "after" jsonb,
    "ipAddress" inet,
    "occurredAt" timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE audit."select" ("order" integer, "100% done" boolean, "it's ""quoted""" text, "line
break" text, "naïve 🎟" text, "a.b" text);
CREATE VIEW desk."openTicket" AS
SELECT t."id", t."subject", t."status", u."fullName" AS "requesterName", now() - t."dueAt" AS "lateBy"
FROM desk."ticket" t JOIN core."user" u ON u."id" = t."requesterId"
WHERE t."status" NOT IN ('solved', 'closed');

COMMENT ON TABLE core."organization" IS 'A customer company; deleted ones stay for the audit.';
COMMENT ON COLUMN core."organization"."planTier" IS 'What they pay for.';
COMMENT ON COLUMN desk."ticket"."priority" IS '1 is the most urgent';
COMMENT ON VIEW desk."openTicket" IS 'Tickets that still wait for us';
