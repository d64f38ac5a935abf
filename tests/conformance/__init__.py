"""
A WebSocket server that takes a client through RFC 6455 and RFC 7692, case by case. Each module
cases_….py is a class of cases, each case a row; suite.py runs a class against a real wsgated, whose
subscriber sends every message of the good cases back: so both directions are compared.
"""
