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
    test INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX submissions_waiting ON submissions (received_seq) WHERE state = 'waiting';
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
    amount_total TEXT
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX deliveries_file ON deliveries (tenant, file);
CREATE INDEX deliveries_named ON deliveries (tenant, day, sequence);
CREATE INDEX deliveries_of ON deliveries (tenant, created_seq);
CREATE INDEX deliveries_unavailable ON deliveries (created_seq) WHERE available_at IS NULL;
CREATE INDEX deliveries_run ON deliveries (run, created_seq) WHERE run IS NOT NULL;
CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    assignment TEXT NOT NULL,
    day TEXT NOT NULL,
    seq INTEGER NOT NULL,
    register_month TEXT NOT NULL,
    files INTEGER NOT NULL,
    letters INTEGER NOT NULL,
    pages INTEGER NOT NULL,
    -- JSON: what may be shown of who was selected, and how many families got no letter.
    statistics TEXT NOT NULL,
    unaddressed TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX runs_of ON runs (tenant, assignment, day);
CREATE TABLE logins (
    tenant TEXT PRIMARY KEY,
    last_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO progress (one, size, last) VALUES (1, 0, NULL);
