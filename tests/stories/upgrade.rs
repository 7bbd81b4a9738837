//! Replacing the running program: nobody is refused, and no request is lost.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};

use crate::eventually;
use crate::stack::{Plan, Stack};
use crate::upstream::Upstream;

/// Requests of one client each second.
const RATE: u64 = 100;
/// Clients; every other one keeps its connection, the others connect anew for every request.
const CLIENTS: usize = 6;
/// Routes that a new program has to load before it can serve.
const ROUTES: i32 = 5_000;
/// What a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Clients that ask at a fixed rate, however long answers take.
struct Load {
    over: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    fn start(address: SocketAddr) -> Self {
        let (over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let clients = (0..CLIENTS)
            .map(|number| tokio::spawn(ask(address, number % 2 == 0, over.clone(), answered.clone())))
            .collect();
        Self {
            over,
            answered,
            clients,
        }
    }

    async fn answered(&self, more: usize) {
        let wanted = self.answered.load(Ordering::SeqCst) + more;
        eventually("that requests are answered", async || {
            (self.answered.load(Ordering::SeqCst) >= wanted).then_some(())
        })
        .await;
    }

    /// Nobody saw anything go wrong.
    async fn succeeds(self) {
        self.over.store(true, Ordering::SeqCst);
        let mut failures = Vec::new();
        for client in self.clients {
            failures.extend(client.await.expect("a client"));
        }
        assert!(
            failures.is_empty(),
            "{} requests failed: {:?}",
            failures.len(),
            &failures[..failures.len().min(5)]
        );
    }
}

/// One client: if it keeps its connection, then until it is told to close it; it tries nothing twice.
async fn ask(address: SocketAddr, keeps: bool, over: Arc<AtomicBool>, answered: Arc<AtomicUsize>) -> Vec<String> {
    let (mut failures, mut kept) = (Vec::new(), None);
    let mut ticks = interval(Duration::from_micros(1_000_000 / RATE));
    while !over.load(Ordering::SeqCst) {
        ticks.tick().await;
        let connection = match kept.take() {
            Some(connection) => connection,
            None => match TcpStream::connect(address).await {
                Ok(stream) => BufReader::new(stream),
                Err(error) => {
                    failures.push(format!("refused: {error}"));
                    continue;
                }
            },
        };
        match timeout(PATIENCE, exchange(connection, keeps)).await {
            Ok(Ok(connection)) => {
                kept = connection;
                answered.fetch_add(1, Ordering::SeqCst);
            }
            Ok(Err(failure)) => failures.push(failure),
            Err(_) => failures.push("no answer in time".to_owned()),
        }
    }
    failures
}

/// One request and its answer; the connection, when it may be used again.
async fn exchange(mut connection: BufReader<TcpStream>, keeps: bool) -> Result<Option<BufReader<TcpStream>>, String> {
    let broke = |error: std::io::Error| format!("broke: {error}");
    let close = if keeps { "" } else { "Connection: close\r\n" };
    let request = format!("POST /steady HTTP/1.1\r\nHost: a.example\r\n{close}Content-Length: 4\r\n\r\nbody");
    connection.write_all(request.as_bytes()).await.map_err(broke)?;
    let (mut length, mut keep, mut lines) = (0, true, Vec::new());
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line).await.map_err(broke)? == 0 {
            return Err(format!("ended after {lines:?}"));
        }
        let lower = line.trim().to_ascii_lowercase();
        if lower.is_empty() {
            break;
        }
        if let Some(value) = lower.strip_prefix("content-length: ") {
            length = value.parse().map_err(|_| format!("no length: {lower}"))?;
        }
        keep &= lower != "connection: close";
        lines.push(lower);
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await.map_err(broke)?;
    if !lines[0].contains(" 200 ") {
        return Err(lines[0].clone());
    }
    Ok(keep.then_some(connection))
}

/// A process that no handle of ours is for; it ends with the story.
struct Successor(Pid);

impl Drop for Successor {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::TERM);
    }
}

fn upgrade(stack: &Stack) -> Successor {
    let directory = stack.gateways[0].home.join("data");
    let said = stack.run(&["upgrade", "--data-dir", &directory.display().to_string()], "");
    let number = said.split_whitespace().nth(1).and_then(|word| word.parse().ok());
    Successor(Pid::from_raw(number.unwrap_or_else(|| panic!("no process in: {said}"))).expect("a process"))
}

/// Clients of a route, in a configuration that takes a new program a while to load.
async fn serving() -> (Stack, Upstream, Load) {
    let stack = Plan::apart(1).start().await;
    let echo = Upstream::start("echo");
    let api = stack.api();
    api.service("echo", &echo.url()).await;
    api.route("steady", "echo", json!({"paths": ["/steady"]})).await;
    let more = "insert into config_entries (kind, id, revision, body)
                select kind, gen_random_uuid(), revision,
                       body || jsonb_build_object('name', 'more-' || n, 'paths', jsonb_build_array('/more/' || n))
                from config_entries, generate_series(1, $1) as n
                where kind = 'route' and body ->> 'name' = 'steady'";
    let done = sqlx::query(more)
        .bind(ROUTES)
        .execute(&mut database(&stack).await)
        .await;
    assert_eq!(done.expect("written").rows_affected(), u64::from(ROUTES.unsigned_abs()));
    let load = Load::start(stack.proxy().address);
    load.answered(50).await;
    (stack, echo, load)
}

async fn database(stack: &Stack) -> PgConnection {
    let url = stack.storage.url().expect("a database");
    PgConnection::connect(url).await.expect("a connection")
}

async fn upgrades(times: usize) {
    let (mut stack, _echo, load) = serving().await;
    let mut running = upgrade(&stack);
    assert!(stack.gateways[0].wait().await.success(), "the first program ends well");
    for _ in 1..times {
        load.answered(50).await;
        let before = std::mem::replace(&mut running, upgrade(&stack));
        eventually("that the program before is gone", async || {
            test_kill_process(before.0).is_err().then_some(())
        })
        .await;
    }
    load.answered(100).await;
    load.succeeds().await;
    drop(running);
}

/// It has a minute, and nobody is worse off for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_program_that_cannot_load_at_once_is_waited_for() {
    let (mut stack, _echo, load) = serving().await;
    // It shall have nothing but the database, which lets nobody read for longer than a program waits for anything else.
    for file in fs::read_dir(stack.gateways[0].home.join("data")).expect("its directory") {
        let path = file.expect("a file").path();
        if path.extension().is_some_and(|extension| extension == "copy") {
            fs::remove_file(path).expect("removed");
        }
    }
    let mut locking = database(&stack).await;
    let (locked, is_locked) = oneshot::channel();
    let lock = tokio::spawn(async move {
        let mut lock = locking.begin().await.expect("a transaction");
        let table = "lock table config_entries in access exclusive mode";
        sqlx::query(table).execute(&mut *lock).await.expect("locked");
        locked.send(()).expect("somebody waits for it");
        let hold = sqlx::query("select pg_sleep(13)").execute(&mut *lock).await;
        hold.expect("held");
        lock.rollback().await.expect("unlocked");
    });
    is_locked.await.expect("locked");
    let running = tokio::task::block_in_place(|| upgrade(&stack));
    assert!(lock.is_finished(), "it had nothing to serve until then");
    assert!(stack.gateways[0].wait().await.success(), "the first program ends well");
    load.answered(100).await;
    load.succeeds().await;
    drop(running);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_lost_when_the_program_is_replaced() {
    upgrades(2).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: twenty times over, run by `make test-long`"]
async fn no_request_is_lost_when_the_program_is_replaced_again_and_again() {
    upgrades(20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_that_lasts_outlives_the_upgrade() {
    let mut stack = Plan::apart(1).start().await;
    let echo = Upstream::start("echo");
    let api = stack.api();
    api.service("echo", &echo.url()).await;
    api.route("slow", "echo", json!({"paths": ["/slow"]})).await;
    let proxy = stack.proxy();
    let slow = tokio::spawn(async move { proxy.get("/slow?delay_ms=6000").await.status });
    eventually("that the service has it", async || {
        (!echo.seen().is_empty()).then_some(())
    })
    .await;
    let _running = upgrade(&stack);
    stack.proxy().get("/slow?delay_ms=0").await.expect(200);
    assert!(!slow.is_finished(), "the new program answers beside the one before");
    assert_eq!(slow.await.expect("an answer"), 200);
    assert!(stack.gateways[0].wait().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_cannot_be_replaced_says_why_and_goes_on() {
    let stack = Plan::one().embedded().start().await;
    let output = stack.try_run(&["upgrade"], "");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("DATABASE_URL"), "{said}");
    stack.proxy().get("/nothing").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_running_program_the_command_says_so() {
    let stack = Plan::one().start().await;
    let output = stack.try_run(&["upgrade", "--data-dir", "nowhere"], "");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("no program answers"),
        "{said}"
    );
}
