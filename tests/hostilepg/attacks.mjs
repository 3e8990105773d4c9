// What a build tries, row by row: SQL that it runs as its own role in its own database, and what must come of it.
//   refused   the server says no, with this in what it says
//   harmless  it may work; then this holds (a function of the stage, see main.mjs)
// `a` is the build that attacks, `b` another one, both { name, url }.
const denied = /permission denied|must be (an? )?(superuser|owner|able|member)|must have|only roles? with|may not|not permitted/i

export const attacks = (a, b, marker) => [
  // ---- into other databases
  ['give another build a way in: GRANT CONNECT', `GRANT CONNECT ON DATABASE ${a.name} TO ${b.name}; GRANT ALL ON DATABASE ${a.name} TO PUBLIC`, { harmless: (s) => s.cannotConnect(b, a.name) }],
  ['give another build its role', `GRANT ${a.name} TO ${b.name} WITH ADMIN OPTION`, { harmless: (s) => s.cannotConnect(b, a.name) }],
  ['be another build: SET ROLE', `SET ROLE ${b.name}`, { refused: denied }],
  ['be the administrator: SET ROLE', 'SET ROLE admin', { refused: denied }],
  ['SET SESSION AUTHORIZATION', 'SET SESSION AUTHORIZATION admin', { refused: denied }],
  ['become what may read all', `GRANT pg_read_all_data TO ${a.name}`, { refused: denied }],
  ['become what may run programs', `GRANT pg_execute_server_program TO ${a.name}`, { refused: denied }],
  ['take another build\'s role', `GRANT ${b.name} TO ${a.name}`, { refused: denied }],

  // ---- its own role and database
  ...['SUPERUSER', 'CREATEDB', 'CREATEROLE', 'REPLICATION', 'BYPASSRLS', 'INHERIT', 'CONNECTION LIMIT -1', "VALID UNTIL 'infinity'"].map((what) => [
    `ALTER ROLE … ${what}`, `ALTER ROLE ${a.name} ${what}`, { refused: denied }]),
  ['ALTER ROLE … RENAME', `ALTER ROLE ${a.name} RENAME TO other`, { refused: /permission denied|session user cannot be renamed|current user cannot be renamed/ }],
  ['CREATE ROLE', 'CREATE ROLE another', { refused: denied }],
  ['DROP ROLE of another build', `DROP ROLE ${b.name}`, { refused: denied }],
  ['another build\'s password', `ALTER ROLE ${b.name} PASSWORD 'taken'`, { refused: denied }],
  ['another build\'s settings', `ALTER ROLE ${b.name} SET statement_timeout = 1`, { refused: denied }],
  ['CREATE DATABASE', 'CREATE DATABASE another', { refused: denied }],
  ['ALTER DATABASE … SET', `ALTER DATABASE ${a.name} SET search_path = public`, { refused: denied }],
  ['ALTER DATABASE … RENAME', `ALTER DATABASE ${a.name} RENAME TO other`, { refused: denied }],
  ['ALTER DATABASE … OWNER', `ALTER DATABASE ${a.name} OWNER TO ${a.name}`, { refused: denied }],
  ['ALTER DATABASE … IS_TEMPLATE', `ALTER DATABASE ${a.name} IS_TEMPLATE true`, { refused: denied }],
  ['DROP DATABASE of its own', `DROP DATABASE ${a.name}`, { refused: /must be owner|currently open/ }],
  ['DROP DATABASE of another build', `DROP DATABASE ${b.name}`, { refused: denied }],

  // ---- the server
  ['ALTER SYSTEM', "ALTER SYSTEM SET statement_timeout = '0'", { refused: denied }],
  ['temp_file_limit', 'SET temp_file_limit = -1', { refused: denied }],
  ['temp_file_limit for later', `ALTER ROLE ${a.name} SET temp_file_limit = -1`, { refused: denied }],
  ['log_statement', "SET log_statement = 'none'", { refused: denied }],
  ['session_preload_libraries', `ALTER ROLE ${a.name} SET session_preload_libraries = 'dblink'`, { refused: denied }],
  ['where the data lie', 'SHOW data_directory', { refused: denied }],
  ['read pg_authid', 'SELECT rolpassword FROM pg_authid', { refused: denied }],
  ['read pg_shadow', 'SELECT passwd FROM pg_shadow', { refused: denied }],
  ['read pg_hba.conf', 'SELECT * FROM pg_hba_file_rules', { refused: denied }],
  ['change pg_database', `UPDATE pg_database SET datallowconn = true`, { refused: denied }],
  ['lock pg_database', 'BEGIN; LOCK TABLE pg_database IN ACCESS EXCLUSIVE MODE', { refused: denied }],
  ['lock pg_authid', 'BEGIN; LOCK TABLE pg_authid IN ROW EXCLUSIVE MODE', { refused: denied }],
  ['a row of pg_database', 'BEGIN; SELECT * FROM pg_database FOR UPDATE', { refused: denied }],
  ['a table in pg_catalog', 'CREATE TABLE pg_catalog.mine (a int)', { refused: denied }],
  ['a schema pg_…', 'CREATE SCHEMA pg_mine', { refused: /unacceptable schema name/ }],
  ['CREATE TABLESPACE', "CREATE TABLESPACE mine LOCATION '/tmp'", { refused: denied }],
  ['CREATE EVENT TRIGGER', 'CREATE FUNCTION et() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN END$$; CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION et()', { refused: denied }],
  ['CREATE SUBSCRIPTION', "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1' PUBLICATION p WITH (connect = false)", { refused: denied }],
  ['default privileges of the administrator', `ALTER DEFAULT PRIVILEGES FOR ROLE admin GRANT ALL ON TABLES TO ${a.name}`, { refused: denied }],
  ['DROP OWNED BY the administrator', 'DROP OWNED BY admin', { refused: denied }],
  ['REASSIGN OWNED BY the administrator', `REASSIGN OWNED BY admin TO ${a.name}`, { refused: denied }],
  ['REASSIGN OWNED to the administrator', `REASSIGN OWNED BY ${a.name} TO admin`, { refused: denied }],
  ['a table of the administrator\'s', 'CREATE TABLE gift (a int); ALTER TABLE gift OWNER TO admin', { refused: denied }],
  ['COMMENT ON DATABASE', "COMMENT ON DATABASE postgres IS 'mine'", { refused: denied }],
  ...['pg_reload_conf()', 'pg_rotate_logfile()', 'pg_switch_wal()', "pg_create_restore_point('x')", 'pg_promote()', "pg_create_physical_replication_slot('x')", "pg_create_logical_replication_slot('x', 'test_decoding')",
    'pg_stat_reset_shared(\'bgwriter\')', 'pg_log_backend_memory_contexts(pg_backend_pid())'].map((f) => [f, `SELECT ${f}`, { refused: denied }]),

  // ---- files and programs
  ['COPY … TO PROGRAM', `COPY (SELECT 1) TO PROGRAM 'touch ${marker}'`, { refused: denied }],
  ['COPY … FROM PROGRAM', `CREATE TABLE p (a text); COPY p FROM PROGRAM 'touch ${marker}; id'`, { refused: denied }],
  ['COPY … TO a file', `COPY (SELECT 1) TO '${marker}'`, { refused: denied }],
  ['COPY … FROM a file', "CREATE TABLE f (a text); COPY f FROM '/etc/passwd'", { refused: denied }],
  ['lo_import', "SELECT lo_import('/etc/passwd')", { refused: denied }],
  ['lo_export', `SELECT lo_export(lo_from_bytea(0, 'x'), '${marker}')`, { refused: denied }],
  ...["pg_read_file('/etc/passwd')", "pg_read_binary_file('postgresql.conf')", "pg_ls_dir('.')", "pg_stat_file('postgresql.conf')", 'pg_ls_logdir()', 'pg_ls_waldir()', 'pg_ls_tmpdir()', 'pg_current_logfile()'].map((f) => [
    f, `SELECT ${f}`, { refused: denied }]),
  ['LOAD', "LOAD 'dblink'", { refused: /access to library|permission denied/ }],
  ['a function in C', "CREATE FUNCTION c() RETURNS int AS 'libc.so.6', 'getpid' LANGUAGE c", { refused: denied }],
  ['a function of the server\'s own', "CREATE FUNCTION i() RETURNS int AS 'pg_backend_pid' LANGUAGE internal", { refused: denied }],
  ...['dblink', 'postgres_fdw', 'file_fdw', 'adminpack', 'pageinspect', 'pg_buffercache', 'pg_stat_statements', 'pg_freespacemap'].map((x) => [
    `CREATE EXTENSION ${x}`, `CREATE EXTENSION ${x}`, { refused: /permission denied to create extension|not available|could not open extension/ }]),
  ['CREATE EXTENSION citext, which is trusted', 'CREATE EXTENSION citext; ALTER EXTENSION citext OWNER TO admin', { refused: /syntax error/ }],
  ['a trusted extension in a schema with traps', `CREATE SCHEMA trap; CREATE FUNCTION trap.left(name, integer) RETURNS text LANGUAGE sql AS $$SELECT 'x'$$; SET search_path = trap, pg_catalog; CREATE EXTENSION pg_trgm SCHEMA trap`,
    { harmless: (s) => s.isPlain(a) }],

  // ---- other sessions
  ['end the administrator\'s sessions', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'admin'", { refused: denied }],
  ['end another build\'s sessions', `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${b.name}'`, { refused: denied }],
  ['cancel another build\'s statement', `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = '${b.name}'`, { refused: denied }],

  // ---- against itself
  ['drop all that it has', `CREATE TABLE mine (a int); DROP OWNED BY ${a.name} CASCADE`, { harmless: (s) => s.isPlain(a) }],
]

// What somebody who runs something in this database as an administrator would run without meaning to. Each tries to make a superuser.
export const traps = (a) => `
CREATE TABLE caught (who text, what text);
CREATE FUNCTION public.bite(what text) RETURNS integer LANGUAGE plpgsql AS $f$
BEGIN
  INSERT INTO public.caught VALUES (current_user, what);
  BEGIN EXECUTE 'ALTER ROLE ${a.name} SUPERUSER'; EXCEPTION WHEN OTHERS THEN NULL; END;
  RETURN 1;
END $f$;
GRANT ALL ON caught TO PUBLIC;
CREATE FUNCTION public.count(text) RETURNS bigint LANGUAGE sql AS $$SELECT public.bite('count'); SELECT 0::bigint$$;
CREATE FUNCTION public.format(text, text) RETURNS text LANGUAGE sql AS $$SELECT public.bite('format'); SELECT ''$$;
CREATE FUNCTION public."left"(name, integer) RETURNS text LANGUAGE sql AS $$SELECT public.bite('left'); SELECT ''$$;
CREATE FUNCTION public.pg_terminate_backend(integer) RETURNS boolean LANGUAGE sql AS $$SELECT public.bite('terminate'); SELECT true$$;
CREATE FUNCTION public.pg_database_size(oid) RETURNS bigint LANGUAGE sql AS $$SELECT public.bite('size'); SELECT 0::bigint$$;
CREATE FUNCTION public.equal(name, text) RETURNS boolean LANGUAGE sql AS $$SELECT public.bite('equal'); SELECT true$$;
CREATE FUNCTION public.equal(name, name) RETURNS boolean LANGUAGE sql AS $$SELECT public.bite('equal'); SELECT true$$;
CREATE OPERATOR public.= (LEFTARG = name, RIGHTARG = text, FUNCTION = public.equal);
CREATE OPERATOR public.= (LEFTARG = name, RIGHTARG = name, FUNCTION = public.equal);
CREATE VIEW public.pg_database AS SELECT 0::oid AS oid, 'x'::name AS datname, public.bite('view') AS b;
CREATE VIEW public.pg_prepared_xacts AS SELECT 'x'::text AS gid, 'x'::name AS database, public.bite('xacts') AS b;
CREATE RULE r AS ON INSERT TO caught DO ALSO SELECT 1;
ALTER ROLE ${a.name} SET search_path = public, pg_catalog;
ALTER ROLE ${a.name} IN DATABASE ${a.name} SET search_path = public, pg_catalog;
CREATE FUNCTION public.definer() RETURNS integer SECURITY DEFINER LANGUAGE sql AS $$SELECT public.bite('definer')$$;
GRANT ALL ON ALL FUNCTIONS IN SCHEMA public TO PUBLIC;
`
