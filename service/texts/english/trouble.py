"""What keeps auscult from working, and what a person does about it: errors of database, ports and audit trail."""

TEXTS = {
    # The ledger's file
    "trouble.restore": "stop auscult, keep the damaged ledger, and restore the last copy:"
    " docs/howto/back-up-and-restore.md",
    "trouble.file_damaged": "the ledger {path} is damaged ({name}); {restore}",
    "trouble.file_tables": "the ledger {path} lacks tables or columns of this version; `auscult doctor` tells its"
    " version, `auscult db upgrade` mends ({name})",
    "trouble.file_permission": "the ledger {path} may not be opened; give it and its folder to the user that auscult"
    " runs as ({name})",
    "trouble.file_locked": "the ledger {path} is locked by another program for longer than we wait; end it: a copy, or"
    " sqlite3 left open ({name})",
    "trouble.file_read_only": "the ledger {path} cannot be written; give it and its folder to the user that auscult"
    " runs as, or mount its disk for writing ({name})",
    "trouble.file_disk_fails": "the ledger {path} cannot be read or written: its disk fails or has gone; look into the"
    " system's log ({name})",
    "trouble.file_disk_full": "the ledger {path} cannot grow: its disk is full; docs/howto/survive-a-full-disk.md"
    " ({name})",
    "trouble.file_not_opened": "the ledger {path} cannot be opened: it must be a file in a folder of the user that"
    " auscult runs as, and the process must have a file handle left (`ulimit -n`) ({name})",
    "trouble.file_not_local": "the ledger {path} cannot be locked; data_dir must be on a local disk, not on a network"
    " share ({name})",
    # The ledger's server
    "trouble.server_damaged": "the ledger's database is damaged ({name}); {restore}",
    "trouble.server_standby": "the ledger's database takes no writing: it is a standby, or its transactions are"
    " read-only; name the primary in `database.url` ({name})",
    "trouble.server_disk_full": "the ledger's database cannot grow: its disk is full; free some of it where the server"
    " keeps its data ({name})",
    "trouble.server_old": "the ledger's database is PostgreSQL {found}, which is too old; auscult needs"
    " PostgreSQL {oldest} or later",
    "trouble.server_full": "the ledger's database takes no more connections; raise its max_connections, or run fewer"
    " processes ({name})",
    "trouble.server_rights": "the ledger's database does not let our user at its tables; grant them to it:"
    " docs/howto/run-with-postgresql-and-redis.md ({name})",
    "trouble.server_tables": "the ledger's database lacks tables or columns of this version; `auscult doctor` tells its"
    " version, `auscult db upgrade` mends ({name})",
    "trouble.server_tls": "the database cannot be reached over TLS ({name}); check sslmode, sslrootcert, sslcert and"
    " sslkey in `database.url`, those files, and the server's certificate and whom it lets in",
    "trouble.server_login": "the database refuses the login ({name}); check the user in `database.url`, its password"
    " (`database.password_file`), and whom pg_hba.conf lets in",
    "trouble.server_no_database": "the database is not there ({name}); create it on the server, or correct its name in"
    " `database.url`",
    "trouble.server_host": "the database has an unknown host ({name}); correct the host in `database.url`, or this"
    " machine's name resolution",
    "trouble.server_silent": "the database does not answer ({name}); start its server, or correct host and port in"
    " `database.url`",
    "trouble.database": "the database cannot be reached or written ({name}); check `database.url`, the user's password,"
    " the server and its disk",
    # Its tables
    "trouble.no_tables": "the database has no tables of a ledger yet; run `auscult db upgrade`",
    "trouble.older_tables": "the ledger's tables are older ({found}) than this version's ({ours}); run `auscult db"
    " upgrade`",
    "trouble.newer_tables": "the ledger's tables are newer ({found}) than this version of auscult knows ({ours}); start"
    " the version that made them",
    # Ports
    "trouble.port": "{setting} = {port}: cannot listen on {host} ({reason}); {remedy}",
    "trouble.port_taken": "end the program that has the port, another auscult perhaps, or choose another port",
    "trouble.port_address": "the address is not of this machine; name one of its own, or 0.0.0.0 for all",
    "trouble.port_permission": "a port below 1024 is the system's; choose a higher one, or let this user have it"
    " (CAP_NET_BIND_SERVICE)",
    "trouble.port_handles": "the process has no file handle left; raise its limit (`ulimit -n`)",
    "trouble.port_family": "this machine does not speak that family of addresses; name another address",
    "trouble.port_other": "choose another port or address",
    "trouble.port_no_name": "no address has this name",
    "trouble.port_name": "name an address of this machine",
    # The audit trail
    "trouble.audit_not_written": "{file} cannot be written; check its owner and its disk",
    "trouble.audit_disk_full": "the disk of {file} is full",
    "trouble.audit_waits": "{count} audit messages wait for the syslog server, the oldest for {seconds} s",
}
