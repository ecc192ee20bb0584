-- Which databases are asked about their tables and indexes: those nearest to a wraparound first.
SELECT datname FROM pg_database
WHERE datallowconn AND NOT datistemplate AND datname !~ '[[:cntrl:]]'
ORDER BY age(datfrozenxid) DESC, datname LIMIT 20
