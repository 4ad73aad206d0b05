//! The resource `fields`, with the functions of 0.2, and `request-options`.

use super::RequestOptions;
use crate::wasi::View;
use crate::wasi::generated::http::types::{self as of_0_2, HostFields as _};
use crate::wasi::http::fields::{Entries, Fields};
use crate::wasi::p3::generated::http::types::{self, HeaderError, RequestOptionsError};
use wasmtime::Result;
use wasmtime::component::Resource;

/// A result of which the outer error ends the guest.
type Changed<T = ()> = Result<std::result::Result<T, HeaderError>>;

const fn newer(error: of_0_2::HeaderError) -> HeaderError {
    match error {
        of_0_2::HeaderError::InvalidSyntax => HeaderError::InvalidSyntax,
        of_0_2::HeaderError::Forbidden => HeaderError::Forbidden,
        of_0_2::HeaderError::Immutable => HeaderError::Immutable,
    }
}

fn changed<T>(result: Result<std::result::Result<T, of_0_2::HeaderError>>) -> Changed<T> {
    Ok(result?.map_err(newer))
}

impl types::HostFields for View<'_> {
    fn new(&mut self) -> Result<Resource<Fields>> {
        of_0_2::HostFields::new(self)
    }

    fn from_list(&mut self, list: Entries) -> Changed<Resource<Fields>> {
        changed(of_0_2::HostFields::from_list(self, list))
    }

    fn get(&mut self, fields: Resource<Fields>, name: String) -> Result<Vec<Vec<u8>>> {
        of_0_2::HostFields::get(self, fields, name)
    }

    fn has(&mut self, fields: Resource<Fields>, name: String) -> Result<bool> {
        of_0_2::HostFields::has(self, fields, name)
    }

    fn set(&mut self, fields: Resource<Fields>, name: String, values: Vec<Vec<u8>>) -> Changed {
        changed(of_0_2::HostFields::set(self, fields, name, values))
    }

    fn delete(&mut self, fields: Resource<Fields>, name: String) -> Changed {
        changed(of_0_2::HostFields::delete(self, fields, name))
    }

    fn get_and_delete(&mut self, fields: Resource<Fields>, name: String) -> Changed<Vec<Vec<u8>>> {
        let values = of_0_2::HostFields::get(self, Resource::new_borrow(fields.rep()), name.clone())?;
        Ok(changed(of_0_2::HostFields::delete(self, fields, name))?.map(|()| values))
    }

    fn append(&mut self, fields: Resource<Fields>, name: String, value: Vec<u8>) -> Changed {
        changed(of_0_2::HostFields::append(self, fields, name, value))
    }

    fn copy_all(&mut self, fields: Resource<Fields>) -> Result<Entries> {
        self.entries(fields)
    }

    fn clone(&mut self, fields: Resource<Fields>) -> Result<Resource<Fields>> {
        of_0_2::HostFields::clone(self, fields)
    }

    fn drop(&mut self, fields: Resource<Fields>) -> Result<()> {
        of_0_2::HostFields::drop(self, fields)
    }
}

/// A result of which the outer error ends the guest.
type Set = Result<std::result::Result<(), RequestOptionsError>>;

impl View<'_> {
    fn options_3(&mut self, options: &Resource<RequestOptions>) -> Result<&mut RequestOptions> {
        Ok(self.wasi.table.get_mut(options)?)
    }

    fn set_option(
        &mut self,
        options: &Resource<RequestOptions>,
        set: impl FnOnce(&mut crate::wasi::http::outgoing::RequestOptions),
    ) -> Set {
        let options = self.options_3(options)?;
        if options.is_immutable {
            return Ok(Err(RequestOptionsError::Immutable));
        }
        set(&mut options.times);
        Ok(Ok(()))
    }
}

impl types::HostRequestOptions for View<'_> {
    fn new(&mut self) -> Result<Resource<RequestOptions>> {
        Ok(self.wasi.table.push(RequestOptions::default())?)
    }

    fn get_connect_timeout(&mut self, options: Resource<RequestOptions>) -> Result<Option<u64>> {
        Ok(self.options_3(&options)?.times.connect)
    }

    fn set_connect_timeout(&mut self, options: Resource<RequestOptions>, time: Option<u64>) -> Set {
        self.set_option(&options, |times| times.connect = time)
    }

    fn get_first_byte_timeout(&mut self, options: Resource<RequestOptions>) -> Result<Option<u64>> {
        Ok(self.options_3(&options)?.times.first_byte)
    }

    fn set_first_byte_timeout(&mut self, options: Resource<RequestOptions>, time: Option<u64>) -> Set {
        self.set_option(&options, |times| times.first_byte = time)
    }

    fn get_between_bytes_timeout(&mut self, options: Resource<RequestOptions>) -> Result<Option<u64>> {
        Ok(self.options_3(&options)?.times.between_bytes)
    }

    fn set_between_bytes_timeout(&mut self, options: Resource<RequestOptions>, time: Option<u64>) -> Set {
        self.set_option(&options, |times| times.between_bytes = time)
    }

    fn clone(&mut self, options: Resource<RequestOptions>) -> Result<Resource<RequestOptions>> {
        let times = self.options_3(&options)?.times.clone();
        Ok(self.wasi.table.push(RequestOptions { times, is_immutable: false })?)
    }

    fn drop(&mut self, options: Resource<RequestOptions>) -> Result<()> {
        self.wasi.table.delete(options)?;
        Ok(())
    }
}
