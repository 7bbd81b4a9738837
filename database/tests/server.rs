//! The server on a real data directory: started, stopped, killed, left behind.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::borrow::Cow;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use database::{Error, Server, TestServer};
use rustix::process::{Pid, Signal, getpgid, kill_process};
use sqlx::{Connection as _, PgConnection};

/// A directory that is gone after the test.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("gatehouse-{}", uuid::Uuid::new_v4())))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

async fn run(server: &Server, statement: &'static str) {
    let mut connection = PgConnection::connect(server.url()).await.unwrap();
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
}

async fn notes(server: &Server) -> Vec<String> {
    let mut connection = PgConnection::connect(server.url()).await.unwrap();
    sqlx::query_scalar("select text from notes order by text")
        .fetch_all(&mut connection)
        .await
        .unwrap()
}

fn postmaster(directory: &Path) -> Pid {
    let text = fs::read_to_string(directory.join("cluster/postmaster.pid")).unwrap();
    Pid::from_raw(text.lines().next().unwrap().parse().unwrap()).unwrap()
}

#[tokio::test]
async fn data_and_url_survive_a_stop() {
    let directory = Directory::new();
    let server = Server::start(&directory.0).await.unwrap();
    let url = server.url().to_owned();
    run(
        &server,
        "create table notes (text text); insert into notes values ('kept')",
    )
    .await;
    server.stop().await.unwrap();
    assert!(
        !directory.0.join("cluster/postmaster.pid").exists(),
        "it stopped cleanly"
    );

    let server = Server::start(&directory.0).await.unwrap();
    assert_eq!(server.url(), url);
    assert_eq!(notes(&server).await, ["kept"]);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_killed_server_starts_again_with_its_data() {
    let directory = Directory::new();
    let server = Server::start(&directory.0).await.unwrap();
    run(
        &server,
        "create table notes (text text); insert into notes values ('kept')",
    )
    .await;
    kill_process(postmaster(&directory.0), Signal::KILL).unwrap();
    server.stop().await.unwrap();
    assert!(
        directory.0.join("cluster/postmaster.pid").exists(),
        "it had no time to clean up"
    );

    let server = Server::start(&directory.0).await.unwrap();
    assert_eq!(notes(&server).await, ["kept"]);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_whose_program_was_killed_is_replaced() {
    let directory = Directory::new();
    let mut program = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_program_that_will_be_killed", "--ignored"])
        .env("DIRECTORY", &directory.0)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let ready = directory.0.join("ready");
    let started = async {
        while !ready.exists() {
            assert_eq!(
                program.try_wait().unwrap(),
                None,
                "the program ended before it was killed"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), started).await.unwrap();
    program.kill().unwrap();
    program.wait().unwrap();
    let left = postmaster(&directory.0);

    let server = Server::start(&directory.0).await.unwrap();
    assert_ne!(postmaster(&directory.0), left);
    assert_eq!(notes(&server).await, ["kept"]);
    server.stop().await.unwrap();
}

#[tokio::test]
#[ignore = "a part of the test above, which runs it as a process of its own"]
async fn a_program_that_will_be_killed() {
    let directory = PathBuf::from(std::env::var_os("DIRECTORY").unwrap());
    let server = Server::start(&directory).await.unwrap();
    run(
        &server,
        "create table notes (text text); insert into notes values ('kept')",
    )
    .await;
    fs::write(directory.join("ready"), "").unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_directory_has_one_program_at_a_time() {
    let directory = Directory::new();
    let server = Server::start(&directory.0).await.unwrap();
    let error = Server::start(&directory.0).await.unwrap_err();
    assert!(matches!(error, Error::InUse(_)), "{error}");
    run(&server, "select 1").await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn the_server_is_for_this_machine_and_this_password_alone() {
    let server = TestServer::start().await.unwrap();
    let mut connection = PgConnection::connect(server.url()).await.unwrap();
    let show = sqlx::query_scalar("show listen_addresses");
    let addresses: String = show.fetch_one(&mut connection).await.unwrap();
    assert_eq!(addresses, "127.0.0.1");
    let password = server.url().split([':', '@']).nth(2).unwrap().to_owned();
    assert_eq!(password.len(), 64);
    for wrong in ["", "wrong"] {
        let error = PgConnection::connect(&server.url().replace(&password, wrong))
            .await
            .unwrap_err();
        let code = error
            .as_database_error()
            .and_then(|error| error.code().map(Cow::into_owned));
        assert_eq!(code.as_deref(), Some("28P01"), "{error}");
    }
}

#[tokio::test]
async fn ctrl_c_reaches_the_program_and_not_the_server() {
    let directory = Directory::new();
    let server = Server::start(&directory.0).await.unwrap();
    assert_ne!(getpgid(Some(postmaster(&directory.0))).unwrap(), getpgid(None).unwrap());
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_taken_port_is_replaced_by_another() {
    let directory = Directory::new();
    Server::start(&directory.0).await.unwrap().stop().await.unwrap();
    let port: u16 = fs::read_to_string(directory.0.join("port"))
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    let server = Server::start(&directory.0).await.unwrap();
    assert!(!server.url().contains(&format!(":{port}/")));
    run(&server, "select 1").await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn data_of_an_unknown_version_is_left_alone() {
    let directory = Directory::new();
    fs::create_dir_all(directory.0.join("cluster")).unwrap();
    fs::write(directory.0.join("cluster/PG_VERSION"), "9\n").unwrap();
    let error = Server::start(&directory.0).await.unwrap_err();
    assert!(matches!(&error, Error::Version { made, .. } if made == "9"), "{error}");
    assert!(error.to_string().contains("install postgresql-9"), "{error}");
}

#[tokio::test]
async fn what_an_interrupted_setup_left_is_replaced() {
    let directory = Directory::new();
    fs::create_dir_all(directory.0.join("cluster.new/base")).unwrap();
    let server = Server::start(&directory.0).await.unwrap();
    run(&server, "select 1").await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_halted_or_killed_server_comes_back_under_the_same_url() {
    let mut server = TestServer::start().await.unwrap();
    run(
        &server,
        "create table notes (text text); insert into notes values ('kept')",
    )
    .await;
    server.halt().await.unwrap();
    PgConnection::connect(server.url()).await.unwrap_err();
    server.resume().await.unwrap();
    assert_eq!(notes(&server).await, ["kept"]);
    server.kill().await.unwrap();
    PgConnection::connect(server.url()).await.unwrap_err();
    server.resume().await.unwrap();
    assert_eq!(notes(&server).await, ["kept"]);
}

/// As in a clone in the home of root, which is closed to the user who runs Postgres.
#[tokio::test]
async fn root_gets_a_server_where_the_other_user_gets_not() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let home = Directory::new();
    fs::create_dir(&home.0).unwrap();
    fs::set_permissions(&home.0, fs::Permissions::from_mode(0o700)).unwrap();
    let directory = home.0.join("postgres");
    let server = Server::start(&directory).await.unwrap();
    run(
        &server,
        "create table notes (text text); insert into notes values ('kept')",
    )
    .await;
    server.stop().await.unwrap();
    let place = Directory(fs::read_link(&directory).unwrap());

    let server = Server::start(&directory).await.unwrap();
    assert_eq!(notes(&server).await, ["kept"]);
    assert_eq!(fs::read_link(&directory).unwrap(), place.0);
    server.stop().await.unwrap();
}
