"""The tests of CPython's suites that are excluded, with reasons. All but those that hang are run and must fail."""

NO_THREADS = "a thread waits until the loop does something for it; SimLoop waits for no thread"
NO_INPUT_OUTPUT = "asks for a socket, a pipe or a signal, which SimLoop refuses"
PRIVATE = "looks at attributes of asyncio's own loop, its selector or its heap of timers, which SimLoop replaces"

EXCLUSIONS: dict[str, dict[str, str]] = {
    "tasks": {
        "test_run_coroutine_threadsafe test_run_coroutine_threadsafe_task_cancelled "
        "test_run_coroutine_threadsafe_task_factory_exception test_run_coroutine_threadsafe_with_exception "
        "test_run_coroutine_threadsafe_with_timeout": NO_THREADS,
        "test_stop_while_run_in_complete": "expects the clock of the mock loop to be a step ahead of its callback",
    },
    "runners": {
        "test_interrupt_call_soon": "loops on sleep(0) until 0.1 s have passed: in virtual time, a Livelock",
    },
    "base_events": {
        "test__run_once test__run_once_schedule_handle test__run_once_cancelled_event_cleanup test_call_later "
        "test_run_forever_pre_stopped test_single_selecter_event_callback_after_stopping": PRIVATE,
        "test_custom_run_forever_integration": "turns an idle loop ten times, a Deadlock (from Python 3.13 on)",
        "test_check_thread test_shutdown_default_executor_timeout": NO_THREADS,
    },
    "streams": {
        "test_async_writer_api test_async_writer_api_exception_after_close test_drain_raises "
        "test_eof_feed_when_closing_writer test_open_connection test_open_connection_error "
        "test_open_connection_no_loop_ssl test_open_unix_connection test_open_unix_connection_error "
        "test_open_unix_connection_no_loop_ssl test_read_all_from_pipe_reader test_start_server test_start_tls "
        "test_start_unix_server test_unclosed_resource_warnings test_unclosed_server_resource_warnings "
        "test_unhandled_cancel test_unhandled_exception test_unhandled_exceptions test_wait_closed_on_close "
        "test_wait_closed_on_close_with_unread_data": NO_INPUT_OUTPUT,
    },
    "events": {
        "test_add_signal_handler test_bidirectional_pty test_connect_accepted_socket "
        "test_connect_accepted_socket_ssl_timeout_for_plain_socket test_create_connection "
        "test_create_connection_local_addr test_create_connection_local_addr_in_use "
        "test_create_connection_local_addr_nomatch_family test_create_connection_local_addr_skip_different_family "
        "test_create_datagram_endpoint test_create_datagram_endpoint_ipv6 test_create_datagram_endpoint_sock "
        "test_create_server test_create_server_addr_in_use test_create_server_dual_stack "
        "test_create_server_multiple_hosts_ipv4 test_create_server_multiple_hosts_ipv6 "
        "test_create_server_reuse_port test_create_server_sock test_create_server_ssl "
        "test_create_server_ssl_match_failed test_create_server_ssl_verified test_create_server_ssl_verify_failed "
        "test_create_server_trsock test_create_ssl_connection test_create_ssl_unix_connection "
        "test_create_unix_connection test_create_unix_server test_create_unix_server_path_socket_error "
        "test_create_unix_server_ssl test_create_unix_server_ssl_verified "
        "test_create_unix_server_ssl_verify_failed test_datagram_send_to_non_listening_address "
        "test_prompt_cancellation test_read_pipe test_read_pty_output test_reader_callback "
        "test_remove_fds_after_closing test_server_close test_signal_handling_args "
        "test_signal_handling_while_selecting test_ssl_connect_accepted_socket test_unclosed_pipe_transport "
        "test_write_pipe test_write_pipe_disconnect_on_close test_write_pty test_writer_callback": NO_INPUT_OUTPUT,
        "test_run_in_executor": "expects another thread's identity; SimLoop runs the function inline",
        "test_timeout_rounding": PRIVATE,
    },
}
HANGS: dict[str, dict[str, str]] = {
    "events": {
        "test_call_soon_threadsafe": "waits for a lock that a foreign thread would release after call_soon_threadsafe()"
    },
}
