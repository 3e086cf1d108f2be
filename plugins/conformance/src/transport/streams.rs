//! Checks of streams.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use media_plugin_sdk::transport::TransportError;

use super::{Outcome, Subject, ask, echo, pattern, read_all};

/// 200 streams at the same time each carry their own bytes.
pub async fn runs_many_at_once(subject: Subject) -> Outcome {
    const STREAMS: u64 = 200;
    let pair = subject.pair().await?;
    let there = pair.there.clone();
    let serving = tokio::spawn(async move {
        while let Some(incoming) = there.accept().await {
            tokio::spawn(echo(incoming.stream));
        }
    });
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..STREAMS {
        let here = pair.here.clone();
        asking.spawn(async move {
            let body = pattern(20_000, number);
            let answer = ask(&*here, "test.echo", &number.to_string(), body.clone()).await?;
            assert_eq!(answer, body, "stream {number}");
            Ok::<_, TransportError>(())
        });
    }
    while let Some(asked) = asking.join_next().await {
        asked??;
    }
    pair.here.close("done");
    serving.await?;
    Ok(())
}

/// 50 MB arrive whole and in order.
pub async fn delivers_fifty_megabytes(subject: Subject) -> Outcome {
    let pair = subject.pair().await?;
    let body = pattern(50_000_000, 7);
    let sent = body.clone();
    let mut stream = pair.here.open("test.sink", "null").await?;
    let sending = tokio::spawn(async move {
        stream.send.send(sent).await?;
        stream.send.finish()?;
        // Keeps the stream open until the peer has read all.
        stream.recv.recv(1).await
    });
    let mut incoming = pair.there.accept().await.ok_or("no stream came")?;
    let mut offset = 0;
    while let Some(piece) = incoming.stream.recv.recv(64 * 1024).await? {
        assert!(piece.len() <= 64 * 1024, "recv returned more than the requested maximum");
        assert!(body[offset..].starts_with(&piece), "the bytes from {offset} on differ");
        offset += piece.len();
    }
    assert_eq!(offset, body.len());
    incoming.stream.send.finish()?;
    assert_eq!(sending.await??, None);
    Ok(())
}

/// The dialled node can open streams too.
pub async fn opens_from_either_side(subject: Subject) -> Outcome {
    let pair = subject.pair().await?;
    let serve =
        async { echo(pair.here.accept().await.ok_or("no stream came")?.stream).await.map_err(Into::into) };
    let (served, answer): (Outcome, _) =
        tokio::join!(serve, ask(&*pair.there, "test.echo", "null", Bytes::from_static(b"back")));
    served?;
    assert_eq!(answer?, "back");
    Ok(())
}

/// After a finish the peer reads all bytes, then the end, on every call. A second finish is an error.
pub async fn finishes(subject: Subject) -> Outcome {
    let pair = subject.pair().await?;
    let mut stream = pair.here.open("test.sink", "null").await?;
    stream.send.send(Bytes::from_static(b"last words")).await?;
    stream.send.finish()?;
    assert!(matches!(stream.send.finish(), Err(TransportError::Closed(_))));
    let late = stream.send.send(Bytes::from_static(b"more")).await;
    assert!(matches!(late, Err(TransportError::Closed(_))), "{late:?}");
    drop(stream.send);
    let mut incoming = pair.there.accept().await.ok_or("no stream came")?;
    assert_eq!(read_all(incoming.stream.recv.as_mut()).await?, "last words");
    assert_eq!(incoming.stream.recv.recv(1).await?, None);
    Ok(())
}

/// Dropping a sender without a finish aborts the stream.
pub async fn aborts(subject: Subject) -> Outcome {
    let pair = subject.pair().await?;
    let mut stream = pair.here.open("test.sink", "null").await?;
    stream.send.send(Bytes::from_static(b"half a sen")).await?;
    let mut incoming = pair.there.accept().await.ok_or("no stream came")?;
    drop(stream.send);
    let aborted = read_all(incoming.stream.recv.as_mut()).await;
    assert!(matches!(aborted, Err(TransportError::Closed(_))), "{aborted:?}");
    let again = incoming.stream.recv.recv(1).await;
    assert!(matches!(again, Err(TransportError::Closed(_))), "{again:?}");
    Ok(())
}

/// Dropping the receiver makes the peer's sends fail.
pub async fn stops_the_sender(subject: Subject) -> Outcome {
    let pair = subject.pair().await?;
    let mut stream = pair.here.open("test.sink", "null").await?;
    let incoming = pair.there.accept().await.ok_or("no stream came")?;
    drop(incoming.stream.recv);
    let piece = pattern(16 * 1024, 3);
    let stopped = loop {
        if let Err(e) = stream.send.send(piece.clone()).await {
            break e;
        }
    };
    assert!(matches!(stopped, TransportError::Closed(_)), "{stopped:?}");
    Ok(())
}

/// A sender can be at most 32 MiB ahead of its reader.
pub async fn holds_the_sender_back(subject: Subject) -> Outcome {
    const PIECE: usize = 64 * 1024;
    const PIECES: usize = 1024;
    const AHEAD: usize = 32 * 1024 * 1024;
    let pair = subject.pair().await?;
    let mut stream = pair.here.open("test.sink", "null").await?;
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = sent.clone();
    let sending = tokio::spawn(async move {
        let piece = pattern(PIECE, 5);
        for _ in 0..PIECES {
            stream.send.send(piece.clone()).await?;
            counter.fetch_add(PIECE, Ordering::Relaxed);
        }
        stream.send.finish()?;
        stream.recv.recv(1).await
    });
    let mut incoming = pair.there.accept().await.ok_or("no stream came")?;
    let mut read = 0;
    while let Some(piece) = incoming.stream.recv.recv(PIECE).await? {
        let ahead = sent.load(Ordering::Relaxed).saturating_sub(read);
        assert!(ahead <= AHEAD, "{ahead} bytes were sent and not yet read");
        read += piece.len();
    }
    assert_eq!(read, PIECE * PIECES);
    incoming.stream.send.finish()?;
    sending.await??;
    Ok(())
}

/// `open` checks the protocol's name and the JSON value: names of 1 to 256 bytes, valid JSON of at most 64 KiB.
pub async fn bounds_what_opens_a_stream(subject: Subject) -> Outcome {
    let pair = subject.pair().await?;
    let long = format!("\"{}\"", "x".repeat(70_000));
    let bad =
        [("p".repeat(257), "null"), (String::new(), "null"), ("p".into(), &*long), ("p".into(), "{no json")];
    for (protocol, data) in &bad {
        let refused = pair.here.open(protocol, data).await.err();
        assert!(matches!(refused, Some(TransportError::Protocol(_))), "{refused:?}");
    }
    let large = format!("\"{}\"", "y".repeat(60_000));
    for data in [large.as_str(), "{\n  \"spread\": \"over \\n lines\"\r\n}"] {
        let _stream = pair.here.open(&"p".repeat(256), data).await?;
        let incoming = pair.there.accept().await.ok_or("no stream came")?;
        assert_eq!(incoming.protocol, "p".repeat(256));
        let value: serde_json::Value = serde_json::from_str(&incoming.data)?;
        assert_eq!(value, serde_json::from_str::<serde_json::Value>(data)?);
    }
    Ok(())
}

/// No stream is lost if an `accept` is cancelled at any point.
pub async fn accepts_after_a_cancelled_accept(subject: Subject) -> Outcome {
    const STREAMS: usize = 50;
    let pair = subject.pair().await?;
    let here = pair.here.clone();
    let opening = tokio::spawn(async move {
        let mut streams = Vec::new();
        for number in 0..STREAMS {
            streams.push(here.open("test.sink", &number.to_string()).await?);
        }
        Ok::<_, TransportError>(streams)
    });
    let mut seen = Vec::new();
    while seen.len() < STREAMS {
        tokio::select! {
            biased;
            incoming = pair.there.accept() => seen.push(incoming.ok_or("no stream came")?.data.parse::<usize>()?),
            () = tokio::task::yield_now() => {}
        }
    }
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..STREAMS));
    opening.await??;
    Ok(())
}
