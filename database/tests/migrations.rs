//! The migrations on a filled database: after each one, rows as a running house has them are loaded (tests/data), so
//! that the next one meets what it will meet in production.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use database::TestDatabase;
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, PgPool};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn migrations() -> Vec<PathBuf> {
    let folder = Path::new(ROOT).join("migrations");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

async fn run(pool: &PgPool, file: &Path) {
    let statements = fs::read_to_string(file).unwrap();
    let done = sqlx::raw_sql(AssertSqlSafe(statements)).execute(pool).await;
    done.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

async fn empty_tables(pool: &PgPool) -> Vec<String> {
    let tables =
        "select tablename::text from pg_tables where schemaname = 'public' and tablename <> '_sqlx_migrations'";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(pool).await.unwrap();
    let mut empty = Vec::new();
    for table in tables {
        let filled = AssertSqlSafe(format!("select exists (select from {table})"));
        if !sqlx::query_scalar::<_, bool>(filled).fetch_one(pool).await.unwrap() {
            empty.push(table);
        }
    }
    empty
}

#[tokio::test]
async fn every_migration_applies_to_a_filled_database() {
    let nothing = Migrator::with_migrations(Vec::new());
    let database = TestDatabase::create(&nothing).await.unwrap();
    for migration in migrations() {
        run(database.pool(), &migration).await;
        let rows = Path::new(ROOT).join("tests/data").join(migration.file_name().unwrap());
        run(database.pool(), &rows).await;
    }
    assert_eq!(
        empty_tables(database.pool()).await,
        Vec::<String>::new(),
        "tables without rows in tests/data"
    );
}
