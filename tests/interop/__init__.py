"""The application among other people's software: inside of it and around it. Needs the packages of `nox -s interop`."""
