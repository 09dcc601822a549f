#!/bin/sh
# Run once by the PostgreSQL image, on an empty volume: the role and database of Guanjia, which is no superuser.
set -eu
psql --set ON_ERROR_STOP=1 --set password="$GUANJIA_DATABASE_PASSWORD" --username postgres <<'SQL'
\connect template1
CREATE EXTENSION pg_stat_statements;
CREATE ROLE guanjia LOGIN PASSWORD :'password' IN ROLE pg_read_all_stats, pg_monitor;
CREATE DATABASE guanjia OWNER guanjia;
SQL
