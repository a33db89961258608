"""Where every case of the corpus is tested that is no request to be replayed, and has no test in this folder.

`test_ledger.py` holds it: a case that is nowhere is a failure, and so is a test that is named and is not there.
"""

TESTED_ELSEWHERE: dict[str, str | tuple[str, ...]] = {
    # connections of servers
    "disconnect/half-close": "tests/corpus/test_sockets.py::test_a_client_that_has_sent_all_still_gets_its_answer",
    "isolation/keepalive-users": "tests/corpus/test_sockets.py::test_nothing_of_one_user_is_seen_by_the_next_on_a_connection",
    "concurrency/pipelined-order": "tests/corpus/test_sockets.py::test_a_fast_answer_waits_for_the_slow_one_before_it",
    "websocket/bad-utf8": "tests/corpus/test_sockets.py::test_a_hostile_websocket_gets_what_it_may_and_leaves_nothing",
    "websocket/rsv": "tests/corpus/test_sockets.py::test_a_hostile_websocket_gets_what_it_may_and_leaves_nothing",
    "websocket/fragment-flood": "tests/corpus/test_sockets.py::test_a_hostile_websocket_gets_what_it_may_and_leaves_nothing",
    # what is sent and received in pieces
    "websocket/idle": (
        "tests/gateways/test_websocket_wsgi.py::test_a_client_that_answers_no_ping_is_given_up",
        "tests/corpus/test_sockets.py::test_a_client_that_answers_no_ping_is_closed_by_the_server",
    ),
    "websocket/slow-reader": (
        "tests/gateways/test_websocket_wsgi.py::test_a_client_that_takes_nothing_is_left",
        "tests/corpus/test_sockets.py::test_a_client_that_takes_nothing_makes_the_handler_wait",
    ),
    "multipart/error-closes-files": "tests/core/test_forms.py::test_the_files_of_a_refused_body_are_closed",
    "multipart/handler-ignores-files": "tests/gateways/test_bodies.py::test_files_are_closed_when_something_fails",
    "range/file-shrinks": "tests/core/test_files.py::test_a_file_that_is_cut_breaks_the_connection",
    "range/file-grows": "tests/core/test_files.py::test_a_file_that_grows_is_sent_as_long_as_it_was",
    "range/file-vanishes": "tests/core/test_files.py::test_a_file_that_is_removed_after_it_was_opened_is_sent",
    "disconnect/mid-body": "tests/gateways/test_bodies.py::test_a_connection_that_breaks_is_no_error_of_the_application",
    "disconnect/mid-response-sync-gen": "tests/servers/probes/trouble.py::a_stream_is_closed_when_the_client_leaves",
    "disconnect/mid-file": "tests/core/test_files.py::test_a_client_that_leaves_closes_the_file",
    "disconnect/sse-idle": "tests/streaming/test_streams.py::test_a_feed_starts_at_once_and_ends_when_its_client_has_gone",
    "disconnect/rst-flood": "tests/servers/probes/trouble.py::a_client_that_resets_harms_nothing",
    "disconnect/receive-after-end": "tests/features/mount/test_asgi_guest.py::test_a_body_comes_in_messages_and_then_the_leaving",
    "iterators/close-called": "tests/gateways/test_streams.py::test_a_stream_is_closed_at_its_end",
    "iterators/close-raises": "tests/gateways/test_streams.py::test_a_close_that_fails_when_all_is_sent_breaks_no_answer",
    "iterators/never-started": "tests/gateways/test_streams.py::test_a_stream_that_is_never_started_is_closed",
    "iterators/aclose-other-task": "tests/streaming/test_streams.py::test_an_endless_stream_ends_when_its_client_has_gone",
    "iterators/sync-gen-under-asgi": "tests/gateways/test_streams.py::test_a_stream_is_made_on_its_own_side",
    "iterators/write-callable": "tests/features/mount/test_wsgi_guest.py::test_write_comes_before_what_is_returned",
    "iterators/validator": "tests/conftest.py::make_client",
    "compression/breach": "tests/corpus/checks.py::another_mask_each_time",
    "compression/sse-flush": "tests/features/test_compression.py::test_event_streams_are_left_alone",
    # cancellation, threads, contexts
    "cancellation/task-cancelled": "tests/bridge/test_cancellation.py::test_a_request_that_is_cancelled_at_any_await_leaves_nothing_open",
    "cancellation/cancel-in-threadpool": "tests/bridge/test_cancellation.py::test_waiting_for_a_slot_is_cancellable_and_loses_none",
    "cancellation/swallowed": "tests/features/mount/test_asgi_guest.py::test_a_guest_that_swallows_its_cancellation_is_cancelled_again",
    "cancellation/def-handler-uncancellable": "tests/bridge/test_time_limit.py::test_only_an_async_def_can_be_given_a_time",
    "threadpool/exhausted": "tests/bridge/test_queue.py::test_a_handler_that_gets_no_thread_is_a_503",
    "threadpool/context": "tests/bridge/test_contexts.py::test_what_a_layer_sets_the_handler_sees_and_the_other_way_round",
    # A task that is left is not cancelled with its request: the loop is not the request's, on either gateway, and what is
    # started on one under ASGI goes on. It is cancelled with the loop; `request.after` and `app.spawn` are supervised.
    "threadpool/async-from-sync": (
        "tests/bridge/test_cancellation.py::test_a_handler_has_task_groups",
        "tests/bridge/test_cancellation.py::test_a_task_that_a_handler_starts_outlives_its_request_and_not_the_loop",
    ),
    "threadpool/wsgi-threads-share-loop": "tests/bridge/test_threads.py::test_one_loop_thread_serves_many_threads",
    "event-loop/fs-calls": (
        "tests/conftest.py::no_blocking",
        "tests/faults/test_file_system.py::test_a_loop_goes_on_while_a_slow_disk_is_read",
    ),
    "event-loop/gzip": "tests/features/test_compression.py::test_the_event_loop_does_not_wait_for_a_large_body",
    "event-loop/password-hash": "tests/features/auth/test_passwords.py::test_an_event_loop_is_not_made_to_wait",
    "isolation/contextvars": "tests/bridge/test_contexts.py::test_requests_at_once_do_not_see_each_other",
    "isolation/leak-after": "tests/bridge/test_contexts.py::test_nothing_is_left_for_the_next_request",
    "isolation/nested-asgi": "tests/features/mount/test_wsgi_guest.py::test_the_environ_of_the_server_is_not_changed",
    "isolation/streamed-context": "tests/gateways/test_streams.py::test_a_stream_runs_in_the_context_of_its_request",
    # No time to write in is among the limits: the connection is the server's, and neither protocol has a way to say that it
    # is to be broken off while it waits. A proxy has one (`send_timeout` of nginx, `timeout client` of haproxy). What is
    # ours holds: who makes the answer waits, memory stays where it was, and all is released when the client goes.
    "body-limits/slow-read": "tests/faults/sockets/test_slow_readers.py::test_who_makes_an_answer_waits_for_those_who_read_slowly",
    "cancellation/shield-commit": "tests/faults/test_databases.py::test_a_transaction_that_is_cancelled_at_any_await_is_whole_or_nothing",
    "event-loop/big-json": "tests/faults/test_large_json.py::test_a_json_past_the_limit_is_refused_without_a_look_at_it",
    # processes
    "signals/term-twice": "tests/faults/sockets/test_signals.py::test_a_second_signal_stops_at_once_or_keeps_to_the_first",
    "signals/kill9": "tests/faults/sockets/test_signals.py::test_a_process_that_is_killed_leaves_no_file_and_no_port",
    "fork/preload-loop": "tests/bridge/test_processes.py::test_a_preloaded_application_starts_in_each_child",
    "signals/term-idle": "tests/servers/probes/lifecycle.py::the_stop_is_seen_on_term",
    "signals/term-inflight": "tests/servers/probes/lifecycle.py::a_def_handler_in_flight_finishes_on_term",
    "signals/term-streaming": "tests/streaming/test_stopping.py::test_a_stream_without_end_is_cut_when_the_time_is_over",
    "background/raises": "tests/gateways/test_after.py::test_functions_run_in_order_though_one_fails",
    "background/keepalive": "tests/gateways/test_background.py::test_a_request_that_is_over_does_not_wait_for_what_runs_after_it",
    "lifespan/startup-hangs": "tests/testing/test_patience.py::test_a_start_up_without_end_can_be_interrupted",
    "lifespan/wsgi-first-request-race": "tests/gateways/test_lifespan.py::test_many_first_requests_start_it_exactly_once",
    "lifespan/state-isolation": "tests/core/test_request.py::test_every_request_has_a_state_of_its_own",
    "lifespan/nested": "tests/gateways/test_lifespan.py::test_those_of_mounted_applications_run_inside",
    "memory/disconnect-soak": "tests/streaming/test_starvation.py::test_others_are_served_when_many_clients_of_tight_streams_have_gone",
    "memory/big-response": "tests/streaming/test_load.py::test_a_large_download_does_not_fill_the_memory",
    # what only a server at work shows
    "body-limits/many-idle": "tests/faults/sockets/test_crowds.py::test_connections_that_wait_hold_no_thread_and_little_memory",
    "caching/key-collision": "tests/features/test_rate_limit.py::test_a_text_that_could_be_mistaken_is_hashed",
    "fork/worker-oom": "tests/faults/sockets/test_crowds.py::test_a_handler_that_gets_no_memory_fails_alone",
    "fork/master-hup": "tests/processes/scenarios.py::hang_up",
    "isolation/free-threaded": "tests/bridge/test_threads.py::test_the_first_requests_may_come_at_once",
    "signals/int": "tests/servers/test_run.py::test_ctrl_c_of_a_terminal_reaches_parent_and_child",
    "signals/stop-cont": "tests/processes/scenarios.py::pause",
    "memory/logging-bound": "tests/core/test_errors.py::test_long_client_text_is_cut",
}  # fmt: skip
"""The id of a case -> the file and the function that provokes the same; several where each gateway has its own."""

PLACES = [
    (case, place) for case, told in TESTED_ELSEWHERE.items() for place in ([told] if isinstance(told, str) else told)
]
