//! Checks of endpoints and connections.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use media_plugin_sdk::transport::{Admission, PeerAddress, Refusal, TransportError, Welcome, refuse_all};

use super::{Outcome, Subject, admit_all, ask, echo, fresh_key};

/// `admit` gets the client's identity and token, both ends know each other's identity, the accepting end has the grant and
/// the dialling end the welcome, and a request is answered.
pub async fn shakes_hands_and_answers(subject: Subject) -> Outcome {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let welcome = Welcome {
        features: vec!["one".into(), "two".into()],
        rights: vec!["listen".into()],
        auth_token: Some("new-token".into()),
        ..Welcome::default()
    };
    let told = welcome.clone();
    let server = subject
        .bind(Arc::new(move |id, token| {
            let mut log = log.lock().map_err(|_| "internal_error")?;
            log.push((id.to_owned(), token.map(str::to_owned)));
            Ok(Admission { grant: Some(Arc::new(7_u8)), welcome: told.clone() })
        }))
        .await?;
    let client = subject.bind(refuse_all()).await?;
    let address = server.address();
    let (here, there) = tokio::join!(client.connect(&address, Some("sesame")), server.accept());
    let (here, there) = (here?, there.ok_or("no connection came")?);

    assert_eq!(*seen.lock().map_err(|_| "poisoned")?, [(client.address().id, Some("sesame".to_owned()))]);
    assert_eq!((here.peer(), there.peer()), (server.address().id, client.address().id));

    let grant = there.grant().and_then(|grant| grant.downcast_ref::<u8>().copied());
    assert_eq!((grant, here.grant().is_none()), (Some(7), true), "the grant belongs to the accepting end");
    assert!(
        Welcome { version: String::new(), ..here.welcome() } == welcome
            && there.welcome() == Welcome::default(),
        "the welcome is for the dialling end"
    );

    let serve = async {
        let incoming = there.accept().await.ok_or("no stream came")?;
        assert_eq!(
            (incoming.protocol.as_str(), incoming.data.as_str()),
            ("test.echo", r#"{"a":[1,"zwei"]}"#)
        );
        echo(incoming.stream).await?;
        Outcome::Ok(())
    };
    let (served, answer) =
        tokio::join!(serve, ask(&*here, "test.echo", r#"{"a":[1,"zwei"]}"#, Bytes::from_static(b"hello")));
    served?;
    assert_eq!(answer?, "hello");

    here.ping().await?;
    there.close("done");
    here.closed().await;
    assert!(here.ping().await.is_err(), "an ended connection answers no ping");
    Ok(())
}

/// A refused client gets the code and reason of `admit`; one with the right token is admitted.
pub async fn refuses_with_the_code(subject: Subject) -> Outcome {
    let server = subject
        .bind(Arc::new(|_, token| match token {
            Some("right") => Ok(Admission::default()),
            Some(_) => Err(Refusal { code: "expired".into(), reason: "expired on 2026-12-01".into() }),
            None => Err("unauthorized".into()),
        }))
        .await?;
    let client = subject.bind(refuse_all()).await?;
    let address = server.address();
    let expired = Refusal { code: "expired".into(), reason: "expired on 2026-12-01".into() };
    for (token, refusal) in [(Some("wrong"), expired), (None, "unauthorized".into())] {
        let refused = client.connect(&address, token).await.err();
        assert_eq!(refused, Some(TransportError::Refused(refusal)));
    }
    let (here, there) = tokio::join!(client.connect(&address, Some("right")), server.accept());
    assert_eq!(there.ok_or("no connection came")?.peer(), client.address().id);
    here?;
    Ok(())
}

/// Connecting to an unknown or a closed peer returns `Unreachable`.
pub async fn reports_a_missing_peer(subject: Subject) -> Outcome {
    let server = subject.bind(admit_all()).await?;
    let client = subject.bind(refuse_all()).await?;
    let address = server.address();
    let nobody = PeerAddress { id: subject.transport.identity(&fresh_key()), ..address.clone() };
    let unreachable = client.connect(&nobody, None).await.err();
    assert!(
        matches!(&unreachable, Some(TransportError::Unreachable(why)) if why.contains(&nobody.id)),
        "{unreachable:?}"
    );
    server.close().await;
    assert!(server.accept().await.is_none(), "a closed node accepts nobody");
    let unreachable = client.connect(&address, None).await.err();
    assert!(matches!(unreachable, Some(TransportError::Unreachable(_))), "{unreachable:?}");
    Ok(())
}

/// Closing a connection ends it and its streams at both ends.
pub async fn closes_both_ends(subject: Subject) -> Outcome {
    let pair = subject.pair().await?;
    let mut stream = pair.here.open("test.echo", "null").await?;
    let incoming = pair.there.accept().await.ok_or("no stream came")?;
    pair.there.close("enough");
    assert!(pair.here.closed().await.contains("enough"));
    pair.there.closed().await;
    assert!(pair.here.accept().await.is_none());
    assert!(pair.there.accept().await.is_none());
    let lost = stream.recv.recv(1).await;
    assert!(matches!(lost, Err(TransportError::Closed(_))), "{lost:?}");
    let lost = stream.send.send(Bytes::from_static(b"x")).await;
    assert!(matches!(lost, Err(TransportError::Closed(_))), "{lost:?}");
    let lost = pair.here.open("test.echo", "null").await.err();
    assert!(matches!(lost, Some(TransportError::Closed(_))), "{lost:?}");
    drop(incoming);
    Ok(())
}

/// Streams fail at once if the other node closes its endpoint.
pub async fn closes_with_the_node(subject: Subject) -> Outcome {
    let pair = subject.pair().await?;
    let mut stream = pair.here.open("test.echo", "null").await?;
    let incoming = pair.there.accept().await.ok_or("no stream came")?;
    let (lost, (), nobody) = tokio::join!(stream.recv.recv(1), pair.server.close(), pair.server.accept());
    assert!(matches!(lost, Err(TransportError::Closed(_))), "{lost:?}");
    assert!(nobody.is_none());
    pair.here.closed().await;
    assert!(pair.there.accept().await.is_none());
    drop(incoming);
    Ok(())
}

/// `connect` makes a new connection after the previous one has ended.
pub async fn connects_again_after_a_close(subject: Subject) -> Outcome {
    let pair = subject.pair().await?;
    pair.here.close("first");
    pair.there.closed().await;
    let address = pair.server.address();
    let (here, there) = tokio::join!(pair.client.connect(&address, None), pair.server.accept());
    let (here, there) = (here?, there.ok_or("no connection came")?);
    let serve =
        async { echo(there.accept().await.ok_or("no stream came")?.stream).await.map_err(Into::into) };
    let (served, answer): (Outcome, _) =
        tokio::join!(serve, ask(&*here, "test.echo", "null", Bytes::from_static(b"again")));
    served?;
    assert_eq!(answer?, "again");
    Ok(())
}

/// A connection ends when its last handle is dropped. A stream counts as a handle.
pub async fn ends_with_its_last_handle(subject: Subject) -> Outcome {
    let pair = subject.pair().await?;
    let mut stream = pair.here.open("test.echo", "null").await?;
    drop(pair.here);
    let incoming = pair.there.accept().await.ok_or("no stream came")?;
    let serving = tokio::spawn(echo(incoming.stream));
    stream.send.send(Bytes::from_static(b"still here")).await?;
    stream.send.finish()?;
    assert_eq!(super::read_all(stream.recv.as_mut()).await?, "still here");
    serving.await??;
    drop(stream);
    pair.there.closed().await;
    assert!(pair.there.accept().await.is_none());
    Ok(())
}

/// `bind` names an unknown option in its error.
pub async fn names_an_unknown_option(subject: Subject) -> Outcome {
    let subject = Subject { options: r#"{"colour":"red"}"#.into(), ..subject };
    let refused = subject.bind(refuse_all()).await.err();
    assert!(
        matches!(&refused, Some(TransportError::BadArgument(why)) if why.contains("colour")),
        "{refused:?}"
    );
    Ok(())
}

/// The same key gives the same identity, before and after `bind`, and the identity does not contain the key.
pub async fn derives_its_identity_from_the_key(subject: Subject) -> Outcome {
    let key = fresh_key();
    let identity = subject.transport.identity(&key);
    let endpoint = subject.transport.bind(&subject.settings(key, refuse_all())).await?;
    assert_eq!(endpoint.address().id, identity);
    assert_ne!(subject.transport.identity(&fresh_key()), identity);
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!hex.contains(&identity) && !identity.contains(&hex[..16]));
    Ok(())
}
