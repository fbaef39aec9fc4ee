-- The tables of the ledger. Times are microseconds since 1970, UTC; days are ISO dates in Brussels.
CREATE TABLE progress (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    size INTEGER NOT NULL,
    last BLOB
) STRICT;
CREATE TABLE submissions (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    received_seq INTEGER NOT NULL,
    state TEXT NOT NULL,
    size INTEGER NOT NULL,
    test INTEGER NOT NULL,
    ciphertext_sha256 TEXT NOT NULL,
    -- When it was answered or refused, and when retention removed what was kept of it.
    settled_at INTEGER,
    gone_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX submissions_waiting ON submissions (received_seq) WHERE state = 'waiting';
CREATE INDEX submissions_settled ON submissions (settled_at) WHERE settled_at IS NOT NULL AND gone_at IS NULL;
CREATE TABLE uses (
    tenant TEXT NOT NULL,
    protocol TEXT NOT NULL,
    submission TEXT NOT NULL,
    day TEXT NOT NULL,
    PRIMARY KEY (tenant, protocol, submission)
) STRICT, WITHOUT ROWID;
CREATE TABLE answers (
    submission TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    protocol TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    register_month TEXT NOT NULL,
    delivery TEXT NOT NULL,
    at INTEGER NOT NULL,
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX answers_content ON answers (tenant, protocol, fingerprint, register_month, seq);
CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    file TEXT NOT NULL,
    kind TEXT NOT NULL,
    reference TEXT,
    rows INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    created_seq INTEGER NOT NULL,
    ciphertext_sha256 TEXT NOT NULL,
    available_at INTEGER,
    fetched_at INTEGER,
    answers TEXT,
    test INTEGER NOT NULL,
    day TEXT,
    sequence INTEGER,
    run TEXT,
    amount_total TEXT,
    size INTEGER NOT NULL,
    retention_until TEXT,
    -- Whether it is a certificate of removals.
    certifies INTEGER NOT NULL,
    -- By what it is known again, where an operator handed it over.
    fingerprint TEXT,
    -- 'expired', 'withdrawn' or, by its tenant, 'deleted', once its file may be removed.
    gone TEXT
) STRICT, WITHOUT ROWID;
-- After a merger two may have one name, of which one at most still has its file.
CREATE INDEX deliveries_file ON deliveries (tenant, file);
CREATE INDEX deliveries_named ON deliveries (tenant, day, sequence);
CREATE INDEX deliveries_of ON deliveries (tenant, created_seq);
CREATE INDEX deliveries_unavailable ON deliveries (created_seq) WHERE available_at IS NULL;
CREATE INDEX deliveries_kept ON deliveries (retention_until) WHERE available_at IS NOT NULL AND gone IS NULL;
CREATE INDEX deliveries_content ON deliveries (tenant, fingerprint, created_seq) WHERE fingerprint IS NOT NULL;
CREATE INDEX deliveries_run ON deliveries (run, created_seq) WHERE run IS NOT NULL;
CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    assignment TEXT NOT NULL,
    day TEXT NOT NULL,
    -- Each year's log counts its entries from 0: the time comes first.
    at INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    criteria_sha256 TEXT NOT NULL,
    -- The criteria as text, and the tenant's name for people, where the log has them.
    criteria TEXT,
    authority TEXT,
    register_month TEXT NOT NULL,
    files INTEGER NOT NULL,
    letters INTEGER NOT NULL,
    pages INTEGER NOT NULL,
    -- JSON: what may be shown of who was selected, and how many families got no letter for want of an address, and of a
    -- font.
    statistics TEXT NOT NULL,
    unaddressed TEXT NOT NULL,
    unprintable TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX runs_of ON runs (tenant, assignment, day);
-- What was removed and when, in the order of the log, with the certificate that tells its tenant: its delivery's id,
-- '' where none is needed, since what was removed was itself one.
CREATE TABLE removals (
    place INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    cause TEXT NOT NULL,
    file TEXT,
    received_at INTEGER,
    retention_until TEXT,
    motive TEXT,
    ciphertext_sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    certificate TEXT
) STRICT;
CREATE INDEX removals_untold ON removals (tenant, place) WHERE certificate IS NULL;
-- Tenants that ended, and who has what was theirs today.
CREATE TABLE mergers (
    place INTEGER PRIMARY KEY,
    former TEXT NOT NULL,
    tenant TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE TABLE logins (
    tenant TEXT PRIMARY KEY,
    last_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO progress (one, size, last) VALUES (1, 0, NULL);
