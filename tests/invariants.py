"""What must always be true of auscult; tests say which of it they prove, by the marker `proves`."""

from enum import Enum


class Invariant(Enum):
    """One sentence that must stay true, whatever is changed."""

    DURABLE_BEFORE_ACKNOWLEDGED = (
        "Only what is durable is acknowledged (PS3.4 B.1.2). Killing a process keeps the page cache, so the order "
        "of system calls is what is proven, and a file system that forgets what was not flushed."
    )
    KILLED_AT_ANY_STEP = (
        "A process that is killed at any step loses no acknowledged image, and each has exactly one set of reports."
    )
    ANY_FAULT_IN_ANY_ORDER = (
        "Whatever dies or goes away, in any order: processes, hosts, cables, Redis, PostgreSQL, the PACS. Every "
        "acknowledged image ends in its state, with one set of reports in each archive, a legal history, and nothing "
        "that still holds it."
    )
    NO_CIRCULAR_WAIT = "Workers that write about one image never wait for each other in a circle."
    LEDGER_IS_TRUTH = "The ledger is the truth, a wake-up a hint: one that is lost delays and loses nothing."
    BROKER_DELAYS_LITTLE = (
        "A broker that is away or hangs holds up one acknowledgement in a while, not each, and a worker reads "
        "nothing from it but JSON."
    )
    STORE_AWAY_DELAYS = "A store that is away, whole or in the middle of an object, delays work and loses none."
    QUIET_WHILE_STORE_AWAY = (
        "While the store is away or the disk is full, a backlog writes next to nothing into the ledger, and no "
        "image waits for one that cannot be read."
    )
    SLOW_DESTINATION_COSTS_ITS_TIMEOUT = (
        "A destination that stops in the middle, reading or answering, costs a delivery worker its time-out and no "
        "more."
    )
    VANISHED_DATABASE_HOST = (
        "A database whose host vanishes without a word keeps nobody for minutes, neither in a write nor for an answer."
    )
    LEGAL_STEPS = "A state changes only by a legal step."
    LOST_LEASE_CHANGES_NOTHING = "A worker that lost its lease changes nothing."
    EACH_REPORT_ONCE = (
        "A slow destination and two couriers bring each report once: a row's lease is renewed before its turn."
    )
    UID_NAMES_ONE_CONTENT = "One UID never names two contents; the same content gives the same bytes."
    COMMITTED_IS_HELD = "An image that we say we hold is held: its row and its bytes are there when we say so."
    CHECKPOINT_RESENDS_NOTHING = (
        "Another checkpoint re-sends nothing: only images that a person has analysed again get new reports."
    )
    ROLLING_UPGRADE = (
        "Processes of the version before go on while tables and processes are replaced one by one: migrations only add."
    )
    STUCK_WORKER_ENDS = "A worker that gets nowhere while work waits ends, and its images go to another."
    RESEND_IS_SAME_BYTES = "A re-send is the same bytes."
    RETENTION_IS_SAFE = (
        "Retention removes nothing that anybody still needs, and an image that comes again is never lost to it."
    )
    FULL_DISK_LOSES_NOTHING = "A disk that fills up loses nothing that was acknowledged."
    NOTHING_LEAVES_SHADOW = (
        "Of a source in shadow nothing leaves, over any channel, and nothing that people read is changed by it."
    )
    OWN_IS_NEVER_ANALYSED = "Nothing of our own is ever analysed."
    ACKNOWLEDGED_IS_TOLD_OF = (
        "Whatever was acknowledged ends in a report or in a stated reason without one, whatever its bytes are and "
        "whatever becomes of them."
    )
    SILENCE_IS_NOT_NORMAL = "Silence never reads as normal: what is not analysed says so, and why."
    UNLIKE_GETS_NO_PROBABILITY = "What the network finds unlike its training images gets no probability."
    PRIORITY_ONLY_RISES = "Nothing lowers a study's priority."
    OVERTAKING_IS_BOUNDED = "No study is overtaken by one that arrived more than the bound later."
    NO_PATIENT_IN_LOGS = "Patient data never enter a log line, an exception or a task message."
    AUDIT_IS_THE_EXCEPTION = "The audit trail is the one exception; it fails without keeping an image out."
    TWO_PATIENTS_ARE_HELD = (
        "Two patients under one Study Instance UID are held; nothing is sent until a person decides."
    )
    NO_PEER_HOLDS_UP_OTHERS = "No peer can fill the memory or hold up the others."
    COMMITMENT_REQUESTS_BOUNDED = "No peer fills the database with requests for storage commitment."
    NO_CONNECTION_KEEPS_OTHERS_OUT = (
        "No connection keeps another one out, whatever it does or leaves undone before it has asked for an association."
    )
    EVERY_REQUEST_ANSWERED = (
        "Every association request is answered, whatever it says: accepted, or rejected with the code of PS3.8 and a "
        "line in the log with both AE titles and the remedy."
    )
    NOBODY_IN_BY_A_BROKEN_CHECK = (
        "Nobody is let in because a check broke; nobody sees a patient beyond this machine without TLS and a login."
    )
    BAD_OBJECT_HAS_A_STATE = "No association is aborted for a bad object, and each ends in a state that has a name."
    NOTHING_GROWS_WITH_TIME = "Nothing that a process holds grows with time."
    ORDERS_ARE_KEPT = "What a RIS is told is taken (AA) is kept, once, whatever kills the process that hears it."
    ORDERS_OF_ONE_PATIENT = (
        "What is heard of an order is used for the one study that it is of: not where patient, name or birth date "
        "contradict, nor where several fit."
    )
    EVENTS_ARE_TOLD_IN_ORDER = (
        "What happened is told to each receiver in the order of its study, at every attempt under the same ID, and "
        "what no longer holds is taken back before the next is told."
    )
    HEAT_MAP_SCALE_IS_FIXED = "A heat map is never stretched to its own range."
    RESULTS_CAN_BE_REPLAYED = "A result can be computed again."
    GROUPED_SPLITS = "No patient stands on both sides of a split that is grouped by patient."
    TORCH_IS_OPTIONAL = "Torch is never needed by the service, nor by a worker on the processor."
