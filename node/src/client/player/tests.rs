use super::*;

#[test]
fn a_session_gives_up_when_the_configuration_says() {
    let (target, second) = (Duration::from_millis(1), Duration::from_secs(1));
    let config = session_config(target, 7 * second);
    assert_eq!((config.give_up, config.target), (7 * second, target));
    assert_eq!(session_config(target, Duration::ZERO).give_up, Duration::MAX);
}
