//! A Sim for benchmarks: four answers of its v2 API, made before they are asked for, so that the adapter and its peers
//! are what is measured. One thread serves all connections, so that it takes as little of the machine as it can. It checks
//! nothing: whether a request is signed is found out elsewhere, before anything is measured.
//!
//! Ids choose the answer: the flow `size-4096` is one of 4096 bytes, a streamed run of `events-500` tells 500 events, runs of
//! `endless` go on for ever.
//! Prints its port; ends when its standard input does.

mod ready;

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

use ready::Ready;

type Answers = RefCell<HashMap<String, Ready>>;

const RECORD: &str = r#""status":"completed","startedAt":"2026-01-01T00:00:00.000Z","endedAt":"2026-01-01T00:00:01.000Z","durationMs":1000,"paused":null,"cost":{"total":0.01},"error":null,"output":{"content":"done"}"#;

const GOES_ON: &str = r#""status":"running","startedAt":"2026-01-01T00:00:00.000Z","endedAt":null,"durationMs":null,"paused":null,"cost":null,"error":null,"output":null"#;

fn main() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?.port());
        tokio::task::spawn_local(async move {
            let answers = Rc::new(Answers::default());
            while let Ok((stream, _)) = listener.accept().await {
                let answers = Rc::clone(&answers);
                // A connection that breaks is the client's affair.
                tokio::task::spawn_local(async move { serve(stream, &answers).await });
            }
        });
        tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await.map(drop)
    })
}

/// Answers the requests of one connection, one after the other.
async fn serve(mut stream: TcpStream, answers: &Answers) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut filled = 0;
    loop {
        let Some(head_length) = end_of_head(&buffer[..filled]) else {
            let read = stream.read(&mut buffer[filled..]).await?;
            if read == 0 {
                return Ok(());
            }
            filled += read;
            continue;
        };
        let head = Head::parse(&buffer[..head_length]);
        let length = head.content_length;
        let answer = answer(&head, answers)?;
        let in_buffer = (filled - head_length).min(length);
        buffer.copy_within(head_length + in_buffer..filled, 0);
        filled -= head_length + in_buffer;
        let mut left = length - in_buffer;
        while left > 0 {
            // What is left of a body never shares the buffer with a next request.
            let size = left.min(buffer.len());
            let read = stream.read(&mut buffer[..size]).await?;
            if read == 0 {
                return Ok(());
            }
            left -= read;
        }
        answer.send(&mut stream).await?;
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// What of a request decides the answer.
struct Head<'a> {
    target: &'a str,
    content_length: usize,
    run_id: &'a str,
    streams: bool,
}

impl<'a> Head<'a> {
    fn parse(bytes: &'a [u8]) -> Self {
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let mut lines = text.split("\r\n");
        let target = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
        let mut head = Self { target, content_length: 0, run_id: "", streams: false };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                head.content_length = value.trim().parse().unwrap_or(0);
            } else if name.eq_ignore_ascii_case("x-run-id") {
                head.run_id = value.trim();
            } else if name.eq_ignore_ascii_case("x-sim-stream-protocol") {
                head.streams = true;
            }
        }
        head
    }
}

fn answer(head: &Head<'_>, answers: &Answers) -> io::Result<Ready> {
    let path = head.target.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let number = |id: &str| id.rsplit('-').next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
    match parts[..] {
        ["api", "v2", "workflows", id, "execute"] if head.streams => kept(answers, head.target, || events(number(id))),
        ["api", "v2", "workflows", id, "execute"] => {
            let run = head.run_id;
            let body = format!(r#"{{"data":{{"runId":"{run}","statusUrl":"/api/v2/workflows/{id}/runs/{run}"}}}}"#);
            Ready::new(json(202, "Accepted", body.as_bytes()))
        }
        ["api", "v2", "workflows", id, "runs", run] => {
            let state = if id == "endless" { GOES_ON } else { RECORD };
            let body = format!(r#"{{"data":{{"runId":"{run}","workflowId":"{id}",{state}}}}}"#);
            Ready::new(json(200, "OK", body.as_bytes()))
        }
        ["api", "v2", "workflows", id] => kept(answers, head.target, || json(200, "OK", &flow(id, number(id)))),
        _ => Ready::new(json(404, "Not Found", br#"{"error":{"code":"NOT_FOUND","message":"no such route"}}"#)),
    }
}

/// Answers that do not depend on the request are made once.
fn kept(answers: &Answers, name: &str, make: impl FnOnce() -> Vec<u8>) -> io::Result<Ready> {
    if let Some(answer) = answers.borrow().get(name) {
        return Ok(answer.clone());
    }
    let answer = Ready::new(make())?;
    answers.borrow_mut().insert(name.to_owned(), answer.clone());
    Ok(answer)
}

fn json(status: u16, reason: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// A flow whose JSON has `size` bytes, or as few as its members need.
fn flow(id: &str, size: usize) -> Vec<u8> {
    let start = format!(r#"{{"data":{{"id":"{id}","name":"bench","isDeployed":true,"description":""#);
    let end = r#""}}"#;
    let words = b"The quick brown fox jumps over the lazy dog. ".iter().copied().cycle();
    let mut body = start.into_bytes();
    let filler = size.saturating_sub(body.len() + end.len());
    body.extend(words.take(filler));
    body.extend_from_slice(end.as_bytes());
    body
}

/// A run told in `count` events, back to back, each in an HTTP chunk of its own as Sim sends them.
fn events(count: usize) -> Vec<u8> {
    let mut answer =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec();
    let mut chunk = |data: &str| {
        let frame = format!("data: {data}\n\n");
        answer.extend_from_slice(format!("{:x}\r\n{frame}\r\n", frame.len()).as_bytes());
    };
    for number in 0..count {
        chunk(&format!(r#"{{"blockId":"agent-1","chunk":"word {number} "}}"#));
    }
    chunk(r#"{"event":"final","data":{"success":true,"output":{"content":"done"}}}"#);
    chunk(r#""[DONE]""#);
    answer.extend_from_slice(b"0\r\n\r\n");
    answer
}
