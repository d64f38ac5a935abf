"""Writes Python values as a libconfig file."""


def _string(text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\t", "\\t") + '"'


def _value(value, indent):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}L" if abs(value) >= 2**31 else str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, dict):
        return "{\n" + _settings(value, indent + "  ") + indent + "}"
    if isinstance(value, (list, tuple)):
        items = ", ".join(_value(item, indent + "  ") for item in value)
        groups = any(isinstance(item, (dict, list, tuple)) for item in value)
        return f"( {items} )" if groups else f"[ {items} ]"
    raise TypeError(f"no libconfig type for {value!r}")


def _settings(settings, indent):
    return "".join(
        f"{indent}{name} = {_value(value, indent)};\n" for name, value in settings.items()
    )


def libconfig(settings):
    """The text of a configuration: groups from dicts, arrays or lists from lists."""
    return _settings(settings, "")
