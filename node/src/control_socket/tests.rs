#![cfg(unix)]

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::mpsc,
    task::spawn_blocking,
};

use super::{
    lines::{MAX_REQUEST, next_line},
    *,
};

/// A socket in a folder of its own.
struct Rig {
    _folder: tempfile::TempDir,
    path: PathBuf,
    socket: ControlSocket,
    calls: mpsc::Receiver<Call>,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let (socket, calls) = ControlSocket::bind(&path).unwrap();
        Self { _folder: folder, path, socket, calls }
    }
}

/// Replies to each request with its input, or as its name says.
async fn echo(mut calls: mpsc::Receiver<Call>) {
    while let Some(Call { request, reply }) = calls.recv().await {
        let _ = match request.request.as_str() {
            "drop" => continue,
            "refuse" => reply.send(Reply::Error { code: 4, message: "no".into() }),
            _ => reply.send(Reply::Ok(request.data)),
        };
    }
}

async fn ask(path: &Path, request_name: &str, data: Value) -> Result<Value, ControlError> {
    let (path, request_sent) = (path.to_owned(), Request { request: request_name.into(), data });
    spawn_blocking(move || request(&path, &request_sent)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_gets_its_reply_or_its_refusal() {
    let Rig { _folder, path, socket: _socket, calls } = Rig::new();
    tokio::spawn(echo(calls));
    let data = json!({ "text": "line\nbreak", "list": [1, null] });
    assert_eq!(ask(&path, "echo", data.clone()).await.unwrap(), data);
    assert_eq!(ask(&path, "status", Value::Null).await.unwrap(), Value::Null);
    let refused = ask(&path, "refuse", Value::Null).await.unwrap_err();
    assert!(matches!(&refused, ControlError::Refused { code: 4, message } if message == "no"), "{refused:?}");
    let dropped = ask(&path, "drop", Value::Null).await.unwrap_err();
    assert!(dropped.to_string().contains("stopping"), "{dropped}");
}

#[tokio::test]
async fn only_the_owner_can_use_the_socket_and_it_goes_with_its_process() {
    let rig = Rig::new();
    assert_eq!(fs::metadata(&rig.path).unwrap().permissions().mode() & 0o777, 0o600);
    let in_use = ControlSocket::bind(&rig.path).unwrap_err();
    assert_eq!(in_use.kind(), io::ErrorKind::AddrInUse);
    drop(rig.socket);
    assert!(!rig.path.exists());
    assert!(matches!(ask(&rig.path, "status", Value::Null).await, Err(ControlError::NotRunning)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_of_a_dead_process_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    assert!(matches!(ask(&path, "status", Value::Null).await, Err(ControlError::NotRunning)));
    let (_socket, calls) = ControlSocket::bind(&path).unwrap();
    tokio::spawn(echo(calls));
    assert_eq!(ask(&path, "echo", json!(1)).await.unwrap(), json!(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_lines_are_answered_and_the_connection_goes_on() {
    let Rig { _folder, path, socket: _socket, calls } = Rig::new();
    tokio::spawn(echo(calls));
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let deep = "[".repeat(60_000);
    for line in ["", "{}", "7", "\u{0}", &deep, r#"{"request":5}"#, r#"{"request":"echo","data":1}"#] {
        stream.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let mut reply = Vec::new();
        while !reply.ends_with(b"\n") {
            reply.push(stream.read_u8().await.unwrap());
        }
        let reply: Reply = serde_json::from_slice(&reply).unwrap();
        match reply {
            Reply::Ok(data) => assert_eq!((line.ends_with("\"data\":1}"), data), (true, json!(1))),
            Reply::Error { message, .. } => assert!(message.contains("field `request`"), "{message}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_too_long_ends_the_connection() {
    let Rig { _folder, path, socket: _socket, calls } = Rig::new();
    tokio::spawn(echo(calls));
    let fits = "x".repeat(MAX_REQUEST - 1 - r#"{"request":"echo","data":""}"#.len());
    assert_eq!(ask(&path, "echo", json!(fits)).await.unwrap(), json!(fits));
    let refused = ask(&path, "echo", json!(format!("{fits}x"))).await.unwrap_err();
    assert!(refused.to_string().contains("longer than 65536 bytes"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn silent_connections_end_after_5_s() {
    let rig = Rig::new();
    let began = tokio::time::Instant::now();
    let mut streams = Vec::new();
    for _ in 0..17 {
        streams.push(UnixStream::connect(&rig.path).await.unwrap());
    }
    let mut last = streams.pop().unwrap();
    for mut stream in streams {
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
    }
    assert_eq!(began.elapsed().as_secs(), 5);
    // One connection more than allowed has waited for a place.
    assert_eq!(last.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_does_not_answer_is_reported_after_30_s() {
    let mut rig = Rig::new();
    let began = tokio::time::Instant::now();
    let mut stream = UnixStream::connect(&rig.path).await.unwrap();
    stream.write_all(b"{\"request\":\"status\"}\n").await.unwrap();
    let _call = rig.calls.recv().await.unwrap();
    let mut reply = [0; 256];
    let read = stream.read(&mut reply).await.unwrap();
    let reply = String::from_utf8_lossy(&reply[..read]).into_owned();
    assert!(reply.contains("within 30 s"), "{reply}");
    assert_eq!(began.elapsed().as_secs(), 30);
}

proptest! {
    /// Any bytes are a request or an error, and an error repeats none of them.
    #[test]
    fn any_bytes_are_decoded_or_refused(line in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Err(reason) = Request::decode(&line) {
            prop_assert!(reason.is_ascii() && reason.len() < 200, "{reason}");
        }
    }

    /// Requests that this program makes come out as they went in.
    #[test]
    fn a_request_survives_its_line(name in ".{0,40}", text in ".{0,200}") {
        let request = Request { request: name, data: json!({ "text": text }) };
        let line = serde_json::to_vec(&request).unwrap();
        prop_assert!(!line.contains(&b'\n'));
        prop_assert_eq!(Request::decode(&line), Ok(request));
    }

    /// Lines come out as `split` finds them, wherever the stream's pieces end; the rest without an end is an error.
    #[test]
    fn lines_do_not_depend_on_the_pieces(
        bytes in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..300),
        capacity in 1_usize..20,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut reader = tokio::io::BufReader::with_capacity(capacity, bytes.as_slice());
            let mut parts: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
            let rest = parts.pop().unwrap_or_default();
            for part in parts {
                assert_eq!(next_line(&mut reader).await.unwrap().as_deref(), Some(part));
            }
            match next_line(&mut reader).await {
                Ok(end) => assert!(end.is_none() && rest.is_empty()),
                Err(error) => {
                    assert!(!rest.is_empty());
                    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
                }
            }
        });
    }
}
