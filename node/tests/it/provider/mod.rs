//! One suite for every implementation of `library::Provider`.

use std::{any::Any, sync::Arc};

use media_node::{
    client::{NodeLink, RemoteLibrary},
    library::Provider,
    plugins,
    server::{Caller, Server, ServerConfig},
};
use media_plugin_sdk::transport::refuse_all;

use crate::rig::{Music, Rig, bind};

mod suite;

/// A provider of the suite's music, with everything that must outlive it.
struct Subject {
    provider: Arc<dyn Provider>,
    _held: Box<dyn Any>,
}

/// Declares one test for each case of the suite. `$make` builds a [`Subject`] from [`Music`].
macro_rules! provider_tests {
    ($make:expr) => {
        provider_tests!($make;
            pages_join_to_the_whole_library,
            a_search_finds_all_words_and_is_paged,
            details_come_on_request_with_the_best_matches_first,
            a_search_over_its_bound_is_refused,
            unknown_tracks_and_renditions_are_refused,
            an_offer_that_cannot_be_met_is_refused,
            chunks_decode_to_the_source,
            a_chunk_past_the_end_is_refused,
            the_same_chunk_has_the_same_packets,
            parallel_calls_get_their_own_answers,
            an_abandoned_chunk_frees_its_place,
        );
    };
    ($make:expr; $($case:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let music = super::suite::music();
                let subject: super::Subject = $make(&music).await;
                super::suite::$case(subject.provider.as_ref()).await;
            }
        )*
    };
}

/// The service of this machine.
async fn local(music: &Music) -> Subject {
    let server = Server::start(ServerConfig::default(), plugins::registry(), music.catalog()).unwrap();
    let provider = Arc::new(server.service().for_caller(Caller::peer("suite")));
    Subject { provider, _held: Box::new(server) }
}

/// The same service, as another node reaches it.
async fn remote(music: &Music) -> Subject {
    let rig = Rig::new(music).await;
    let transport = plugins::registry().transport("memory").unwrap();
    let endpoint = transport.bind(&bind(refuse_all())).await.unwrap();
    let link = Arc::new(NodeLink::new(endpoint, rig.address.clone(), None));
    Subject { provider: Arc::new(RemoteLibrary::new(link)), _held: Box::new(rig) }
}

mod local_library {
    use media_node::library::Provider as _;
    use media_protocol::ChunkIndex;

    use super::*;
    use crate::rig::offering;

    provider_tests!(local);

    #[tokio::test]
    async fn the_next_chunk_is_encoded_ahead() {
        let music = suite::music();
        let server = Server::start(ServerConfig::default(), plugins::registry(), music.catalog()).unwrap();
        let library = server.service().for_caller(Caller::peer("suite"));
        let track = library.list(0, 1).await.unwrap().tracks.remove(0);
        let info = library.info(&offering(&track, &["opus"])).await.unwrap();
        assert!(info.reason.ends_with("(path memory)"), "{}", info.reason);
        assert_eq!(info.rendition.chunks, 3);
        let mut chunk = library.chunk(&info.rendition, ChunkIndex(1)).await.unwrap();
        while chunk.next().await.unwrap().is_some() {}
        while server.stats().encoder.ahead == 0 {
            tokio::task::yield_now().await;
        }
        // The last chunk has no successor.
        drop(library.chunk(&info.rendition, ChunkIndex(2)).await.unwrap());
        assert_eq!(server.stats().encoder.encoded, 2);
    }
}

mod remote_library {
    provider_tests!(super::remote);
}
